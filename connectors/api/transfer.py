"""Export and import over the API."""

from collections.abc import Mapping
from typing import IO, Any, ClassVar, Final

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.models import Connector
from connectors.transfer.documents import LONGEST, MEDIA_TYPES, Format, read_file, write_file
from connectors.transfer.exporting import export_objects
from connectors.transfer.importing import Conflicts, ImportReport, Result, import_objects
from connectors.transfer.kinds import Reference
from spaces.api.fields import Flag, Text, Whole
from spaces.api.negotiation import AnswersAlike
from spaces.api.problems import BodyTooLarge, InvalidQuery
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.problems import problem
from spaces.roles import Ability

_OPTIONS: Final = ("conflicts", "dry_run")


class NdjsonParser(BaseParser):
    """Format and bytes of the body as it came, up to the longest file of that format."""

    form: ClassVar[Format] = "ndjson"
    media_type = MEDIA_TYPES["ndjson"]

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data: bytes = stream.read(LONGEST[self.form] + 1)
        if len(data) > LONGEST[self.form]:
            raise BodyTooLarge
        return self.form, data


class YamlParser(NdjsonParser):
    """The same for YAML."""

    form: ClassVar[Format] = "yaml"
    media_type = MEDIA_TYPES["yaml"]


class ReferenceSerializer(StrictSerializer):
    """An object of the space."""

    type = Text(help_text="connector, action or rule.")
    id = Text()


class ExportRequestSerializer(StrictSerializer):
    """What to export, and how."""

    objects = ReferenceSerializer(many=True, required=False, help_text="The whole space when not sent.")
    include_references = Flag(
        default=True, help_text="Also what the objects refer to, as far as it lives in the space."
    )
    format = serializers.ChoiceField(list(MEDIA_TYPES), default="ndjson")


class PlaceSerializer(serializers.Serializer[Any]):
    """What is wrong, and where in the object."""

    pointer = Text(allow_blank=True)
    detail = Text()


class ObjectReportSerializer(serializers.Serializer[Any]):
    """What became of one object of the file."""

    line = Whole(help_text="Line of the file, from 1.")
    type = Text(allow_blank=True)
    file_id = Text(allow_blank=True, help_text="The ID that it has in the file.")
    id = Text(allow_blank=True, help_text="The ID that it has in the space; empty where it has none.")
    name = Text(allow_blank=True)
    result = serializers.ChoiceField([each.value for each in Result])
    detail = Text(allow_blank=True)
    missing_secrets = serializers.ListField(child=Text(), help_text="To be entered before it is used.")
    warnings = serializers.ListField(child=Text())
    errors: Any = PlaceSerializer(many=True)


class ImportReportSerializer(serializers.Serializer[Any]):
    """What an import did, or with `dry_run` would do."""

    is_dry_run = Flag()
    is_applied = Flag(help_text="Whether the space is now as the report says.")
    counts = serializers.DictField(child=Whole(), help_text="How many objects had each result.")
    objects = ObjectReportSerializer(many=True)


class ExportViewSet(SpaceScoped[Connector]):
    """Files of what is set up in the space."""

    queryset = Connector.objects.all()
    serializer_class = ExportRequestSerializer
    content_negotiation_class = AnswersAlike
    pagination_class = None
    filter_backends = ()
    summaries: ClassVar = {"create": "Export objects"}
    abilities: ClassVar = {"create": Ability.READ}
    repeatable: ClassVar = frozenset({"create"})

    @extend_schema(
        request=ExportRequestSerializer,
        responses={
            (200, MEDIA_TYPES["ndjson"]): OpenApiTypes.STR,
            (200, MEDIA_TYPES["yaml"]): OpenApiResponse({"type": "object", "description": "One YAML document."}),
        },
    )
    def create(self, request: Request, **kwargs: Any) -> HttpResponse:
        """Answers with a file of connectors, actions and rules. Secrets are never in it."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        chosen = None
        if "objects" in wanted:
            chosen = [Reference(each["type"], each["id"]) for each in wanted["objects"]]
        export = export_objects(self.space, chosen, include_references=wanted["include_references"])
        form: Format = wanted["format"]
        return HttpResponse(
            write_file(self.space.slug, export.documents, form),
            content_type=MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{self.space.slug}.{form}"'},
        )


class ImportViewSet(SpaceScoped[Connector]):
    """Files of objects brought into the space."""

    queryset = Connector.objects.all()
    serializer_class = ImportReportSerializer
    parser_classes = [NdjsonParser, YamlParser]
    content_negotiation_class = AnswersAlike
    pagination_class = None
    filter_backends = ()
    summaries: ClassVar = {"create": "Import objects"}
    parameters: ClassVar = {"create": _OPTIONS}

    @extend_schema(
        request=dict.fromkeys(MEDIA_TYPES.values(), OpenApiTypes.STR),
        responses={200: ImportReportSerializer},
        parameters=[
            OpenApiParameter(
                "conflicts",
                enum=[each.value for each in Conflicts],
                default=Conflicts.REFUSE.value,
                description="What happens to an object whose ID is taken; `new_ids` gives every object a fresh one.",
            ),
            OpenApiParameter("dry_run", bool, default=False, description="Only tell what would happen."),
        ],
    )
    def create(self, request: Request, **kwargs: Any) -> HttpResponse | Response:
        """Takes the file of an export, or Kibana's saved objects, whole or not at all.

        Where one object cannot be imported, nothing is, and the answer is a problem with the report in `report`.
        """
        conflicts, dry_run = _read_options(request)
        sent: Any = request.data
        form, data = sent or (None, b"")  # an empty body comes to no parser
        report = import_objects(self.space, read_file(data, form), conflicts=conflicts, dry_run=dry_run)
        shown = ImportReportSerializer(report).data
        if report.has_failed:
            return problem(400, _summary(report), title="Nothing was imported", report=shown)
        return Response(shown)


def _read_options(request: Request) -> tuple[Conflicts, bool]:
    query = request.query_params
    wrong = {}
    conflicts, dry_run = query.get("conflicts", Conflicts.REFUSE.value), query.get("dry_run", "false")
    if conflicts not in set(Conflicts):
        wrong["conflicts"] = f"Use one of {', '.join(Conflicts)}."
    if dry_run not in ("true", "false"):
        wrong["dry_run"] = "Write true or false."
    if wrong:
        raise InvalidQuery(wrong)
    return Conflicts(conflicts), dry_run == "true"


def _summary(report: ImportReport) -> str:
    failed = report.counts[Result.FAILED]
    names = "1 object" if failed == 1 else f"{failed} objects"
    return f"{names} of {len(report.objects)} cannot be imported, so nothing was. The report says why."
