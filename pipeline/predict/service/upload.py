"""A form with a radiograph, read into memory and never to disk."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, WithJsonSchema
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pipeline.cohort.reading.tags import Tags
from pipeline.predict.radiograph import stated
from pipeline.predict.service.limits import Limits

FORM = "multipart/form-data"

_FIELDS = 4
_FIELD_BYTES = 1024


class Form(BaseModel):
    """The fields of the form."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    file: Annotated[
        UploadFile,
        WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"}),
    ]
    """One radiograph: a PNG, JPEG or DICOM file. Its bytes say which, not its name or type."""
    age: str | None = None
    """Years, 0 to 120."""
    gender: str | None = None
    """M or F."""
    view: str | None = None
    """PA or AP. Of what is not stated, what a DICOM file says is taken."""
    lateral: bool = False
    """Whether a DICOM file that says it is a lateral view is taken."""


@dataclass(frozen=True)
class Upload:
    """What somebody sent."""

    file: bytes
    patient: Tags
    """As stated beside the file."""
    lateral: bool


def request_body() -> dict[str, Any]:
    """The form in OpenAPI's words."""
    schema = {"schema": Form.model_json_schema()}
    return {"requestBody": {"required": True, "content": {FORM: schema}}}


async def read_upload(request: Request, limits: Limits) -> Upload:
    """Read the form.

    Raises:
        HTTPException: 400, 415 or 422, and why.
        ValueError: names what is no age, gender or view.
    """
    sent = await _read_form(request, limits)
    try:
        return await _upload_of(sent)
    finally:
        await sent.close()


async def _upload_of(sent: FormData) -> Upload:
    if not isinstance(sent.get("file"), UploadFile):
        wanted = "expected one radiograph, PNG, JPEG or DICOM, in the field `file`"
        raise HTTPException(422, f"no file; {wanted}")
    try:
        form = Form.model_validate({name: value for name, value in sent.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    patient = stated(form.age, form.gender, form.view)
    return Upload(await form.file.read(), patient, form.lateral)


async def _read_form(request: Request, limits: Limits) -> FormData:
    """As `Request.form`, whose parser writes files of more than 1 MB to a temporary file."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"a body of type {kind[:80] or 'unknown'}; expected {FORM}")
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=_FIELDS,
        max_part_size=_FIELD_BYTES,
    )
    parser.spool_max_size = limits.body_bytes + 1
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"a form that cannot be read: {error.message}") from None
