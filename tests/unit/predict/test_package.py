"""What a packaged model is: the files that are exported, and the digest that tells two apart."""

import pytest
from made_model import write_model

from pipeline.errors import ArtifactError
from pipeline.predict.about.description import read_description
from pipeline.predict.package import digest_of, export_package


@pytest.fixture
def package(tmp_path):
    return write_model(tmp_path / "package", members=("model",))


def test_an_export_is_the_same_model_whatever_else_is_there_and_its_revision(package, tmp_path):
    (package / "else.txt").write_text("no part of it")
    export_package(package, tmp_path / "copy", revision="abc")
    assert read_description(tmp_path / "copy").revision == "abc"
    assert digest_of(tmp_path / "copy") == digest_of(package)


def test_another_byte_of_any_file_is_another_model(package):
    digests = {digest_of(package)}
    files = sorted(one for one in package.rglob("*") if one.is_file())
    assert len(files) == 6
    for file in files:
        content = file.read_bytes()
        if file.suffix == ".json":
            changed = content.replace(b'"vote": "mean"', b'"vote": "rank"')
        else:
            changed = content[:-1] + bytes([content[-1] ^ 1])
        file.write_bytes(changed)
        digests.add(digest_of(package))
        file.write_bytes(content)
    assert len(digests) == 7


def test_a_file_that_is_missing_is_named(package):
    (package / "model/local.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"model/local\.safetensors: not there; `dvc repro`"):
        digest_of(package)
