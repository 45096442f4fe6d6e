"""Cache of compiled SQL for hot queries: compiling a query takes Django ten times as long as an index look-up takes.

For the few queries of handshakes and polls. Django's own compiler makes the SQL, so it fits every database backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from django.db import connections, models
from django.db.models.expressions import DatabaseDefault, Expression
from django.db.models.manager import BaseManager
from django.db.models.sql import InsertQuery

Row = tuple[Any, ...]
Fetched = Mapping[tuple[Any, ...], list[Row]]
"""Rows of queries that have been run, by `BoundQuery.identity`."""
NOT_FETCHED: Final[Fetched] = MappingProxyType({})


class Parameter(Expression):
    """Named placeholder in a query, for a value of the type of ``field``; each call binds its value."""

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return a placeholder with this object as its parameter; `_Statement.given` replaces it by the value."""
        return "%s", [self]


class _Statement(NamedTuple):
    """Compiled SQL. Keeps nothing of the compiler, which refers to the connection of one thread."""

    sql: str
    parameters: tuple[Any, ...]
    columns: tuple[Any, ...]
    """Columns of the result, for their converters."""

    def rows(self, using: str, values: Mapping[str, Any]) -> list[Row]:
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.given(values, connection))
            return self.fetched(cursor, connection)

    def given(self, values: Mapping[str, Any], connection: Any) -> list[Any]:
        """Return the parameters with values bound, in the driver's types."""
        return [
            one.field.get_db_prep_save(values[one.name], connection) if isinstance(one, Parameter) else one
            for one in self.parameters
        ]

    def fetched(self, cursor: Any, connection: Any) -> list[Row]:
        """Return the rows of the cursor's current result, converted to Python's types."""
        rows = cursor.fetchall()
        return _converted(rows, self.columns, connection) if rows else []


class Prepared:
    """Prepared query: a queryset of plain rows (``values_list``), with a `Parameter` for each value that varies."""

    def __init__(self, queryset: models.QuerySet[Any, Any]) -> None:
        self._query = queryset.query
        self._made: dict[str, _Statement] = {}

    def rows(self, using: str, **values: Any) -> list[Row]:
        """Run the query on the database ``using``, with a value for each parameter.

        Raises:
            django.db.Error: the database failed.
        """
        return self.bind(using, **values).rows()

    def bind(self, using: str, **values: Any) -> BoundQuery:
        """Bind the parameters without running the query, for `fetch_many`."""
        return BoundQuery(self, using, values)

    def statement(self, using: str) -> _Statement:
        """Return the compiled SQL for a database, compiled at the first call."""
        return self._made.get(using) or self._make(using)

    def _make(self, using: str) -> _Statement:
        compiler = self._query.get_compiler(using)
        sql, parameters = compiler.as_sql()
        columns = tuple(column for column, _, _ in compiler.select)
        made = self._made[using] = _Statement(sql, tuple(parameters), columns)
        return made


class BoundQuery(NamedTuple):
    """Prepared query with the values of its parameters."""

    prepared: Prepared
    using: str
    values: dict[str, Any]

    def rows(self, fetched: Fetched = NOT_FETCHED) -> list[Row]:
        """Run the query, unless ``fetched`` has its rows.

        Raises:
            django.db.Error: the database failed.
        """
        rows = fetched.get(self.identity)
        return self.prepared.statement(self.using).rows(self.using, self.values) if rows is None else rows

    @property
    def identity(self) -> tuple[Any, ...]:
        """Key of the query and its values in what `fetch_many` returns."""
        return (id(self.prepared), self.using, *self.values.items())


# Many at once


def fetch_many(queries: Iterable[BoundQuery]) -> Fetched:
    """Run queries in one round trip, and return their rows for `BoundQuery.rows`.

    Where a database or its driver takes one statement at a time, nothing is returned, and each query is run when its
    rows are asked for.

    Raises:
        django.db.Error: the database failed.
        ValueError: the driver refused a value that no database can hold.
    """
    queries = list(queries)
    aliases = {query.using for query in queries}
    if len(aliases) != 1 or not _takes_many(connection := connections[aliases.pop()]):
        return {}
    statements = [query.prepared.statement(query.using) for query in queries]
    given = [
        value
        for query, statement in zip(queries, statements, strict=True)
        for value in statement.given(query.values, connection)
    ]
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statement.sql for statement in statements), given)
        for query, statement in zip(queries, statements, strict=True):
            found[query.identity] = statement.fetched(cursor, connection)
            cursor.nextset()
    return found


def _takes_many(connection: Any) -> bool:
    """Return ``True`` if one ``execute()`` takes several statements: psycopg 3 with client-side binding does."""
    return (
        connection.vendor == "postgresql"
        and connection.Database.__name__ == "psycopg"
        and not connection.features.uses_server_side_binding
    )


def _converted(rows: list[Row], columns: Iterable[Any], connection: Any) -> list[Row]:
    """Convert values as Django does; SQLite, for example, returns times as text."""
    of_columns = [
        [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)] for column in columns
    ]
    if not any(of_columns):
        return rows
    return [
        tuple(
            _convert(value, column, converters, connection)
            for value, column, converters in zip(row, columns, of_columns, strict=True)
        )
        for row in rows
    ]


def _convert(value: Any, column: Any, converters: list[Any], connection: Any) -> Any:
    for converter in converters:
        value = converter(value, column, connection)
    return value


# Model instances


def instances(
    manager: models.Manager[Any], name: str, values: Sequence[Any], fetched: Fetched = NOT_FETCHED
) -> Iterable[Any]:
    """Load the instances whose unique field ``name`` has one of these values.

    A look-up of a single value uses the cache, unless the manager has a ``get_queryset`` of its own.
    """
    query = instance(manager, name, values[0]) if len(values) == 1 else None
    if query is not None:
        return _loaded(manager.model, query, fetched)
    found: Iterable[Any] = manager.filter(**{f"{name}__in": values})
    return found


def instance(manager: models.Manager[Any], name: str, value: Any) -> BoundQuery | None:
    """Return the query of `instances` for a single value; ``None`` if the cache is not used."""
    if type(manager).get_queryset is not BaseManager.get_queryset:
        return None
    model: type[models.Model] = manager.model
    return _by(model, name).bind(manager.db, value=value)


def _loaded(model: type[models.Model], query: BoundQuery, fetched: Fetched) -> Iterator[models.Model]:
    for row in query.rows(fetched):
        yield model.from_db(query.using, [field.attname for field in model._meta.concrete_fields], row)


@cache
def _by(model: type[models.Model], name: str) -> Prepared:
    columns = [field.attname for field in model._meta.concrete_fields]
    value = Parameter("value", model._meta.pk if name == "pk" else model._meta.get_field(name))
    return Prepared(model._base_manager.filter(**{name: value}).values_list(*columns))


# Inserts

_inserts: dict[tuple[Any, ...], _Statement] = {}


def insert(instance: models.Model, using: str, fields: Sequence[Any], returning: Sequence[Any]) -> list[Row] | None:
    """Insert a row as ``Model._do_insert`` does; return ``None`` without inserting if only Django's own can do it.

    Raises:
        django.db.Error: the database failed.
    """
    values = {field.attname: field.pre_save(instance, add=True) for field in fields}
    given = {name: value for name, value in values.items() if not isinstance(value, DatabaseDefault)}
    if any(hasattr(value, "resolve_expression") for value in given.values()):
        return None
    key = (type(instance), using, *given)
    statement = _inserts.get(key) or _make_insert(key, fields, returning, given)
    return statement and statement.rows(using, given)


def _make_insert(
    key: tuple[Any, ...], fields: Sequence[Any], returning: Sequence[Any], given: Iterable[str]
) -> _Statement | None:
    model, using = key[:2]
    if not connections[using].features.can_return_columns_from_insert:
        return None
    by_name = {field.attname: field for field in fields}
    query = InsertQuery(model)
    query.insert_values(fields, [model(**{name: Parameter(name, by_name[name]) for name in given})], raw=True)
    compiler = query.get_compiler(using)
    compiler.returning_fields = returning
    [(sql, parameters)] = compiler.as_sql()
    if compiler.returning_params:
        return None  # the database returns columns through parameters, as Oracle does
    columns = tuple(field.get_col(model._meta.db_table) for field in returning)
    made = _inserts[key] = _Statement(sql, tuple(parameters), columns)
    return made
