"""Local copies of data sets, as small as a test needs."""

import json

import pytest

CARD = "---\nlicense: cc-by-4.0\nlanguage:\n- en\n---\n# A data set\n"


@pytest.fixture
def copy(tmp_path):
    """A folder with these files: lists of rows become JSON lines, Parquet or CSV by the name, texts stay"""

    def made(**files):
        return write(
            tmp_path / "robots", {name.replace("__", "/").replace("_dot_", "."): one for name, one in files.items()}
        )

    return made


def write(folder, files):
    """Write a data set's files into a folder"""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif name.endswith(".parquet"):
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return str(folder)
