"""Write item files of any size: made-up conversations in DynamoDB JSON, the same bytes for the same seed.

``python bench/data.py --mb 45 items.jsonl`` writes 45 MB (of 10^6 bytes) and prints what it wrote.
``--one-user``: all items have one user. ``--single``: every user has one conversation.
"""

import argparse
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.json import encode

FOLDER = Path(__file__).resolve().parents[1] / "build" / "bench"
SEED = 20250818
ITEM_BYTES = 1653
"""Mean size of an item with its line end; of conversations about 1,950."""
CONVERSATIONS, FEEDBACK = 0.82, 0.15
CONVERSATIONS_PER_USER = 4
_START = datetime(2025, 1, 6)


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words("Ángela Beatriz Camilo César Daniela Héctor Inés Jairo José Lucía Mónica Óscar Rocío Sofía")
_LAST = _words("Álvarez Bermúdez Cárdenas Díaz García Gómez Jiménez López Muñoz Núñez Ocampo Pérez Zuluaga")
_CITIES = ["Bogotá", "Medellín (Sede Norte)", "Cali", "Cúcuta", "Ibagué (remoto)", "Santa Marta", "Popayán"]
_DEPARTMENTS = ["Gerencia Comercial", "Gerencia de Tecnología", "Talento Humano", "Auditoría Interna"]
_WORDS = _words(
    "acceso agencia año aplicación aprobación área archivo atención ayuda cambio catálogo certificado clave "
    "código compañía contraseña correo crédito cuenta dirección documento después empleado equipo está "
    "extensión factura fecha formulario función gestión hoja horario información jefe línea liquidación "
    "mañana módulo número nómina opción operación página pago pestaña plazo política proceso próximo qué "
    "recibo región reunión sección según señal servicio sesión sistema solicitud también teléfono tarjeta "
    "trámite último usuario vacaciones válida viático día así podrá deberá en de la que el para con una los"
)
_OPENINGS = ["¿Cómo cambio", "Necesito", "¿Dónde está", "Buenos días, ¿qué pasó con", "No funciona"]
_COMMENTS = ["Muy útil, gracias", "No era lo que pregunté", "Faltó el enlace", "¡Súper!"]


def items(seed: int = SEED, users: int = 1000, single: bool = False) -> Iterator[dict]:
    """Yield items without end: of random users, or one of each user if `single`."""
    rng = random.Random(seed)
    phrases = [" ".join(rng.choices(_WORDS, k=rng.randint(4, 9))) for _ in range(4000)]
    turn = 0
    while True:
        user = turn if single else rng.randrange(users)
        turn += 1
        at = _START + timedelta(seconds=rng.randrange(200 * 86400), microseconds=rng.randrange(1_000_000))
        kind = 0.0 if single else rng.random()
        if kind < CONVERSATIONS:
            item = _conversation(user, at, rng, phrases)
        elif kind < CONVERSATIONS + FEEDBACK:
            item = _feedback(user, at, rng, phrases)
        else:
            item = _keys(user, "REGISTER") | {"CreatedAt": _s(at.isoformat()), "UserData": _user_data(user)}
        if rng.random() < 0.8:
            item["UserData"] = _user_data(user)
        yield item


def write(
    path: Path,
    mb: float,
    seed: int = SEED,
    users: int | None = None,
    single: bool = False,
    spaced: bool = False,
) -> dict[str, int]:
    """Write items until the file has `mb` million bytes; return the number of items and bytes.

    Args:
        path: the file to write.
        mb: its size in million bytes.
        seed: of the random numbers.
        users: their number; by default each has four conversations on average.
        single: every item is a conversation of another user.
        spaced: write spaces after colons and commas, as ``json.dumps`` does by default.
    """
    limit, size, written = int(mb * 1_000_000), 0, 0
    if users is None:
        users = max(1, round(limit / ITEM_BYTES * CONVERSATIONS / CONVERSATIONS_PER_USER))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for item in items(seed, users, single):
            line = (json.dumps(item, ensure_ascii=False).encode() if spaced else encode(item)) + b"\n"
            stream.write(line)
            size += len(line)
            written += 1
            if size >= limit:
                break
    return {"items": written, "bytes": size}


def cached(mb: float, shape: str = "plain", **options) -> Path:
    """Return an item file under ``build/bench``; write it unless this version of the module has."""
    made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    path = FOLDER / f"{shape}-{mb:g}-{made_by}.jsonl"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        write(unfinished, mb, **options)
        unfinished.rename(path)
    return path


def _conversation(user: int, at: datetime, rng: random.Random, phrases: list[str]) -> dict:
    turns = []
    for number in range(rng.randint(2, 7)):
        ask = f"{rng.choice(_OPENINGS)} {rng.choice(phrases)} {rng.choice(phrases)[:20]}?"
        answer = rng.choices(phrases, k=rng.randint(1, 3))
        body = (".\n- " if rng.random() < 0.3 else ", ").join(answer)
        if rng.random() < 0.15:
            body = f'**Catia**: "{body}"'
        when = (at + timedelta(seconds=20 * number)).isoformat()
        turns.append(_message("user", ask, when))
        turns.append(_message("bot", f"{body}.", when))
    created = at.isoformat() + ("Z" if rng.random() < 0.1 else "")
    keys = _keys(user, f"CONVERSATION#{at.isoformat()}")
    return keys | {"CreatedAt": _s(created), "Conversation": {"L": turns}}


def _feedback(user: int, at: datetime, rng: random.Random, phrases: list[str]) -> dict:
    members = {"type": _s(rng.choice(("like", "like", "dislike")))}
    if rng.random() < 0.6:
        members["comment"] = _s(f"{rng.choice(_COMMENTS)}: {rng.choice(phrases)}")
    if rng.random() < 0.5:
        members["option"] = _s(rng.choice(("Respuesta clara", "Respuesta incorrecta", "Muy lenta")))
    keys = _keys(user, f"FEEDBACK#{at.isoformat()}")
    return keys | {"CreatedAt": _s(at.isoformat()), "Feedback": {"M": members}}


def _keys(user: int, sk: str) -> dict:
    return {"PK": _s(f"USER#{user * 2654435761 % 10**10:010d}"), "SK": _s(sk)}


def _user_data(user: int) -> dict:
    name = f"{_FIRST[user % 14]} {_LAST[user // 14 % 13]} {_LAST[user // 182 % 13]}"
    city, department = _CITIES[user % 7], _DEPARTMENTS[user // 3 % 4]
    return {"M": {"nombre": _s(name), "ciudad": _s(city), "gerencia": _s(department)}}


def _message(sender: str, text: str, when: str) -> dict:
    return {"M": {"from": _s(sender), "text": _s(text), "timestamp": _s(when)}}


def _s(value: str) -> dict:
    return {"S": value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--mb", type=float, default=45)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--one-user", action="store_true")
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--spaced", action="store_true")
    given = parser.parse_args()
    users = 1 if given.one_user else None
    print(json.dumps(write(given.path, given.mb, given.seed, users, given.single, given.spaced)))


if __name__ == "__main__":
    main()
