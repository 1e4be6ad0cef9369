"""The made-up users of the sample, with the data that their items carry."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from cat_lab.sample.dynamodb_json import Item, as_json, m


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    "Adriana Alejandro Andrés Ángela Beatriz Camila Carlos Carolina Catalina César Claudia Daniel Diana "
    "Diego Edwin Elena Esteban Felipe Fernanda Gabriel Germán Gloria Héctor Inés Iván Jairo Jimena Johana "
    "Jorge José Juliana Laura Leonardo Liliana Lucía Luis Luz Marcela Margarita María Mateo Mauricio Mónica "
    "Natalia Nicolás Óscar Paola Patricia Pedro Rocío Rubén Sandra Santiago Sara Sebastián Sofía Tomás "
    "Valentina Verónica Ximena Yolanda"
)
SURNAMES = _words(
    "Acosta Álvarez Arango Bermúdez Betancur Caicedo Cárdenas Castaño Castro Córdoba Díaz Escobar Franco "
    "García Gaviria Giraldo Gómez González Guerrero Gutiérrez Hernández Herrera Hoyos Jaramillo Jiménez "
    "Londoño López Marín Martínez Mejía Mosquera Muñoz Naranjo Núñez Ocampo Ortiz Osorio Ospina Peña Pérez "
    "Quintero Ramírez Restrepo Ríos Rivera Rodríguez Rojas Salazar Sánchez Suárez Torres Uribe Vargas "
    "Vásquez Vélez Zapata Zuluaga"
)
CITIES = {
    "Bogotá": 34, "Medellín": 18, "Cali": 14, "Barranquilla": 9, "Bucaramanga": 6, "Cartagena": 5,
    "Pereira": 4, "Manizales": 3, "Cúcuta": 3, "Ibagué": 2, "Santa Marta": 2, "Villavicencio": 2,
    "Pasto": 1, "Neiva": 1, "Popayán": 1, "San José del Guaviare": 1, "Pruebas": 1,
}  # fmt: skip
REMARKS = ("(remoto)", "(Sede Norte)", "(Sede Centro)", "(Principal)", "(híbrido, 3 días)")
DEPARTMENTS = {
    "Gerencia Comercial": 9, "Gerencia de Operaciones": 8, "Gerencia de Tecnología": 6,
    "Servicio al Cliente": 6, "Gerencia Financiera": 4, "Talento Humano": 4, "Jurídica": 2,
    "Auditoría Interna": 1,
}  # fmt: skip
PACE = {
    "Medellín": 0.8, "Cali": 1.5, "Cartagena": 2.2, "Cúcuta": 1.7,
    "Gerencia de Tecnología": 0.7, "Gerencia de Operaciones": 1.5, "Jurídica": 1.3,
}  # fmt: skip
"""How many times longer than usual the users of a city or a department wait for an answer."""
LOST = {
    "Medellín": 0.6, "Barranquilla": 2.2, "Cartagena": 2.0,
    "Servicio al Cliente": 2.0, "Gerencia de Operaciones": 1.3, "Gerencia Financiera": 0.4,
}  # fmt: skip
"""How many times more often than usual their last question gets no answer."""
SPELLINGS = {"neat": 42, "bare": 20, "hasty": 25, "eager": 9, "loud": 4}
"""How people type: as it should be, without marks, without accents too, with more marks, in capitals."""


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    Attributes:
        id: digits, unique.
        registered: whether the table has a REGISTER item of the user.
        data: members of UserData, None where DynamoDB has NULL; None if no item carries UserData.
        activity: how often the user comes back; 1 is the least.
        spelling: how the user types, a key of `SPELLINGS`.
        pace: how many times longer than usual the user waits for an answer.
        lost: how many times more often than usual the user's last question gets none.
    """

    id: str
    registered: bool
    data: dict[str, str | None] | None
    activity: float
    spelling: str
    pace: float
    lost: float

    def user_data(self, rng: random.Random) -> Item | None:
        """Return the UserData attribute, two of three times in its M form; None without data."""
        if self.data is None:
            return None
        return m(**self.data) if rng.random() < 0.67 else as_json(self.data)


def user_id(number: int) -> str:
    """Return the id of a user by number: digits without a visible sequence.

    >>> user_id(0), user_id(1)
    ('10472915', '18392044')
    """
    return str(10_472_915 + number * 7_919_129 % 80_000_003)


def users(rng: random.Random, count: int) -> list[User]:
    """Generate `count` users, five in six of them registered."""
    return [_user(rng, number) for number in range(count)]


def _user(rng: random.Random, number: int) -> User:
    registered = rng.random() < 0.833
    has_data = registered or rng.random() < 0.5
    city, department = place = pick(rng, CITIES), pick(rng, DEPARTMENTS)
    return User(
        user_id(number),
        registered,
        _data(rng, city, department) if has_data else None,
        min(rng.paretovariate(1.6), 12),
        pick(rng, SPELLINGS),
        math.prod(PACE.get(name, 1) for name in place),
        math.prod(LOST.get(name, 1) for name in place),
    )


def _data(rng: random.Random, city: str, department: str) -> dict[str, str | None]:
    """Return the members of UserData; of some users not all of them."""
    if rng.random() < 0.15:
        city = f"{city} {rng.choice(REMARKS)}"
    names = [rng.choice(FIRST_NAMES), *rng.sample(SURNAMES, rng.choice((1, 2, 2)))]
    data: dict[str, str | None] = {
        "nombre": " ".join(names),
        "ciudad": city,
        "gerencia": department,
    }
    chance = rng.random()
    if chance < 0.10:
        del data["gerencia"]
    elif chance < 0.18:
        del data["ciudad"]
    elif chance < 0.22:
        data["ciudad"] = "  "
    elif chance < 0.25:
        data["nombre"] = ""
    elif chance < 0.30:
        data["gerencia"] = None
    elif chance < 0.32:
        data["ciudad"] = data["gerencia"] = None
    return data


def pick(rng: random.Random, weights: dict[str, int]) -> str:
    """Draw one name with the given weights."""
    return rng.choices(list(weights), list(weights.values()))[0]
