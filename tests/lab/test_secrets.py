"""Values of secret parameters are masked in all texts, several at once and however they are written."""

import json

import pytest

from cat_lab.secrets import is_secret, mask_json, mask_text

SECRETS = ["abc", "abcdef", 'q"uo\\te', "first\nsecond"]


@pytest.mark.parametrize(
    "name", ["token", "api_token", "PASSWORD", "db_passwd", "credentials", "api_key", "apikey", "private_key"]
)
def test_secret_names(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["segments", "top", "key", "run_date", "time_zone"])
def test_other_names(name):
    assert not is_secret(name)


@pytest.mark.parametrize("order", [SECRETS, SECRETS[::-1]], ids=["short first", "long first"])
@pytest.mark.parametrize(
    "text",
    [
        "abc and abcdef",
        "abcdefabc",
        'q"uo\\te then first\nsecond',
        repr(SECRETS),
        json.dumps(SECRETS),
        "\n".join(SECRETS),
    ],
)
def test_several_secrets_are_masked_and_no_rest_of_them_is_left(order, text):
    masked = mask_text(text, order)
    assert "********" in masked
    assert [part for part in ("abc", "def", "uo", "first", "second") if part in masked] == []


def test_all_texts_of_a_notebook_are_masked_and_its_form_stays():
    notebook = {"cells": [{"source": ["x = 'abc'\n", "first\n", "second"], "n": 1, "tags": ["abcdef", "b"]}]}
    assert mask_json(notebook, SECRETS) == {
        "cells": [{"source": ["x = '********'\n", "********"], "n": 1, "tags": ["********", "b"]}]
    }
