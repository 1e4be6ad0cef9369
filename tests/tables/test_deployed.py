"""Every table through the Lambda's handler, and through the Glue script with the published CSV."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cat_lab.sample.dynamodb_json import item
from cat_normalize.core.errors import AllRejectedError, ExtractError
from tables import checks, collection

ROOT = Path(__file__).parents[2]
CSV, REJECTS = "reports/etl-process1/data_20250901.csv", "rejects/etl-process1/data_20250901.jsonl"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load(Path("glue/etl-process2/glue_job_script.py"))


@pytest.fixture(scope="module")
def function():
    return load(Path("lambda/etl-process1/lambda_function.py"))


@pytest.fixture
def handler(aws, function, monkeypatch, tmp_path):
    """Call the handler in this process for one table, with its temporary files in the test's folder."""
    context = SimpleNamespace(
        function_name="cat-prod-lambda-normalize",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:cat-prod-lambda-normalize",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: 900_000,
    )

    def call(settings, rules):
        with aws.activate(), monkeypatch.context() as patch:
            patch.setattr(function.tempfile, "tempdir", str(tmp_path))
            patch.setenv("DYNAMODB_TABLE_NAME", settings.table_name)
            patch.setenv("S3_BUCKET_NAME", settings.bucket)
            for name, value in checks.filter_variables(rules).items():
                patch.setenv(name, value)
            return function.lambda_handler({"run_date": "20250901"}, context)

    return call


def objects(aws, settings):
    """Return the bucket's objects, by key."""
    s3 = aws.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=settings.bucket).get("Contents", [])]
    return {key: s3.get_object(Bucket=settings.bucket, Key=key)["Body"].read() for key in keys}


@pytest.mark.parametrize("name", collection.IN_DYNAMODB)
def test_lambda_then_glue_as_the_contract_says(name, aws, create, handler, script, session, tmp_path):
    table, settings = collection.TABLES[name](), create(name)
    lines = list(map(collection.line, table.items))
    expected = checks.expect(table, lines)
    if expected.all_rejected:
        with pytest.raises(AllRejectedError) as raised:
            handler(settings, table.rules)
        assert checks.explains(str(raised.value), expected.summary)
    else:
        done = handler(settings, table.rules)
        assert {key: done[key] for key in expected.summary} == expected.summary
    made = objects(aws, settings)
    rejects = [bare for each in lines for bare in checks.rejects_of(each)]
    checks.check_rows(checks.without_sources(made[REJECTS]), sorted(rejects))
    assert (CSV in made) is not expected.all_rejected
    if expected.all_rejected:
        return
    checks.check_csv(made[CSV], expected)
    arguments = ["--input_bucket", settings.bucket, "--input_prefix", "reports/etl-process1/"]
    arguments += ["--output_bucket", settings.bucket, "--output_prefix", "reports/etl-process2/"]
    with aws.activate():
        script.main(["job", *arguments, "--input_key", CSV])
    for key, data in objects(aws, settings).items():
        if key.endswith(".parquet"):
            (tmp_path / f"{key.split('/')[1]}.parquet").write_bytes(data)
    checks.check_parquet(tmp_path / "etl-process2.parquet", made[CSV])
    checks.check_tables(made[CSV], tmp_path / "conversations.parquet", tmp_path / "messages.parquet")


OTHER_KEYS = {
    "lower case": [("pk", "HASH", "S"), ("sk", "RANGE", "S")],
    "one key": [("user_id", "HASH", "S")],
    "no sort key": [("PK", "HASH", "S")],
    "numbers": [("PK", "HASH", "S"), ("SK", "RANGE", "N")],
    "swapped": [("SK", "HASH", "S"), ("PK", "RANGE", "S")],
}


@pytest.fixture
def table_of_other_keys(request, aws, create):
    """A table with other keys and one item: its name, its keys, and settings with an existing bucket."""
    keys, name = OTHER_KEYS[request.param], f"keys-{request.param.replace(' ', '-')}"
    client = aws.client("dynamodb")
    if name not in client.list_tables()["TableNames"]:
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind, _ in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": form} for key, _, form in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        values = {key: {form: "1"} for key, _, form in keys}
        client.put_item(TableName=name, Item=item("7", "REGISTER") | values)
    settings = create("empty")
    return name, [key for key, *_ in keys], settings


def names_keys(text, name, keys):
    return name in text and all(word in text for word in ["PK", "SK", *keys])


@pytest.mark.parametrize("table_of_other_keys", OTHER_KEYS, indirect=True)
def test_the_function_refuses_a_table_with_other_keys(table_of_other_keys, aws, handler):
    name, keys, settings = table_of_other_keys
    before = objects(aws, settings)
    other = SimpleNamespace(table_name=name, bucket=settings.bucket)
    with pytest.raises(ExtractError) as raised:
        handler(other, {})
    assert names_keys(str(raised.value), name, keys)
    assert objects(aws, settings) == before


@pytest.mark.parametrize("table_of_other_keys", OTHER_KEYS, indirect=True)
def test_a_table_of_other_keys_is_refused_by_the_command(table_of_other_keys, aws, call, tmp_path):
    name, keys, _ = table_of_other_keys
    with aws.activate():
        code, out, err = call("extract", "--table", name, "--output", tmp_path / "raw")
    assert (code, out) == (1, "")
    assert names_keys(err, name, keys)
    assert not (tmp_path / "raw").exists()


def test_a_table_with_only_registrations_is_published(aws, create, handler):
    settings = create("registrations_only")
    handler(settings, {})
    manifest = json.loads(objects(aws, settings)["manifests/etl-process1/20250901.json"])
    assert (manifest["summary"]["registrations"], manifest["summary"]["users"]) == (5, 0)
    assert objects(aws, settings)[CSV] == checks.HEADER
