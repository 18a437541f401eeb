"""Binding: where a tenant's traces are and by what its programs are known, where not as docs/traces.md asks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from argotune.errors import first_problem

SourceName = Literal["phoenix", "mlflow"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


ORCHESTRATION = "workflow"
"""The module whose decisions are the roots of orchestrated requests, and no spans of a class."""


def _class_name(name: str) -> str:
    if not name.isidentifier():
        raise ValueError("it is no name of a Python class, such as RouteTicket; without `.forward`")
    return name


ClassName = Annotated[str, Field(max_length=200), AfterValidator(_class_name)]


Name = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line of text."""


class TraceProject(_Frozen):
    """Where traces are: a Phoenix project, or an MLflow experiment, by its name."""

    source: SourceName = "phoenix"
    project: Name


class BoundProgram(_Frozen):
    """By which spans a program's decisions are known: those of the module's class, `<span>.forward` or `.aforward`.

    `signature`: the name of the signature that the module asks first, where programs of one class are to be told apart.
    """

    span: ClassName
    signature: ClassName | None = None

    @property
    def span_names(self) -> tuple[str, ...]:
        """The names of the module's spans."""
        return f"{self.span}.forward", f"{self.span}.aforward"

    def takes(self, span: str, signature: str | None) -> bool:
        """Whether decisions of this class that ask this signature first may be the program's."""
        return self.span == span and self.signature in (None, signature)


class BoundRoot(BoundProgram):
    """Of the module `workflow`: `span` is the name of the roots of orchestrated requests, as it stands."""

    span: Name
    signature: None = None

    @property
    def span_names(self) -> tuple[str, ...]:
        """That name alone."""
        return (self.span,)


class TraceBinding(TraceProject):
    """The project that a tenant's traces are in, and the programs in it, by module name.

    `tenant_key`: the attribute of a decision that says whose it is: `metadata.<key>`, `user.id`, `session.id` (which
    then begins with the tenant), or any attribute of the root span. None: all of the project is this tenant's.
    `tenant_value`: what is found there; None: the tenant's id.

    `leave_out_tags`: decisions with one of these tags are an evaluation's or an optimizer's. `needs_session`: those
    without a session are.
    """

    tenant_key: Name | None = None
    tenant_value: Name | None = None
    leave_out_tags: tuple[Name, ...] = ("evaluation", "optimization")
    needs_session: bool = False
    programs: dict[str, BoundProgram] = Field(min_length=1)

    @field_validator("programs", mode="before")
    @classmethod
    def _with_roots(cls, programs: object) -> object:
        if not isinstance(programs, dict) or not isinstance(root := programs.get(ORCHESTRATION), dict):
            return programs
        try:
            return {**programs, ORCHESTRATION: BoundRoot.model_validate(root)}
        except ValidationError as error:
            raise ValueError(f"{ORCHESTRATION}: {first_problem(error)}") from None

    @property
    def place(self) -> TraceProject:
        """The project alone."""
        return TraceProject(source=self.source, project=self.project)
