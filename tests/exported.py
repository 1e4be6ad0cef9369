"""Full DynamoDB exports, made on disk in AWS's layout."""

import base64
import gzip
import hashlib
import io
import json


def write(folder, files):
    """Write lists of bare items as the data files of an export; return its folder."""
    return write_raw(folder, [b"".join(b'{"Item":' + line + b"}\n" for line in lines) for lines in files])


def write_raw(folder, files):
    """Write bytes, whatever they are, as the data files of an export; return its folder."""
    (folder / "data").mkdir(parents=True)
    entries = []
    for number, data in enumerate(files):
        name = f"data/{number:04}abcd.json.gz"
        packed = gzip.compress(data, mtime=0)
        (folder / name).write_bytes(packed)
        md5 = base64.b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode()
        items = sum(not line.isspace() for line in io.BytesIO(data))
        entries.append({"itemCount": items, "md5Checksum": md5, "dataFileS3Key": f"AWSDynamoDB/1/{name}"})
    summary = {
        "itemCount": sum(each["itemCount"] for each in entries),
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    (folder / "manifest-files.json").write_text("".join(json.dumps(each) + "\n" for each in entries))
    (folder / "manifest-summary.json").write_text(json.dumps(summary))
    return folder
