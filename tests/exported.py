"""Write a full DynamoDB export to disk in AWS's layout."""

import base64
import gzip
import hashlib
import json


def write(folder, files):
    """Write lists of item lines as the data files of an export; return its folder."""
    (folder / "data").mkdir(parents=True)
    entries = []
    for number, lines in enumerate(files):
        name = f"data/{number:04}abcd.json.gz"
        data = gzip.compress(b"".join(b'{"Item":' + line + b"}\n" for line in lines), mtime=0)
        (folder / name).write_bytes(data)
        md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        entries.append(
            {"itemCount": len(lines), "md5Checksum": md5, "dataFileS3Key": f"AWSDynamoDB/1/{name}"}
        )
    summary = {
        "itemCount": sum(map(len, files)),
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    (folder / "manifest-files.json").write_text("".join(json.dumps(each) + "\n" for each in entries))
    (folder / "manifest-summary.json").write_text(json.dumps(summary))
    return folder
