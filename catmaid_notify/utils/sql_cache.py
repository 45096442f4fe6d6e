"""Queries whose SQL is made once: to make it takes Django ten times what a look into an index takes the database.

For the few questions that every page asks again and again. The SQL is Django's own, for whatever database it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

from django.db import connections, models
from django.db.models.expressions import DatabaseDefault, Expression
from django.db.models.manager import BaseManager
from django.db.models.sql import InsertQuery

Row = tuple[Any, ...]


class Parameter(Expression):
    """Stands in a query for a value of the type of ``field``, which each call gives by this name."""

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return a placeholder, and this where its value is to be."""
        return "%s", [self]


class _Statement(NamedTuple):
    """What is kept; nothing of the compiler, which holds the connection of the thread that has made it."""

    sql: str
    parameters: tuple[Any, ...]
    columns: tuple[Any, ...]
    """Of the rows that come back."""

    def rows(self, using: str, values: Mapping[str, Any]) -> list[Row]:
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.given(values, connection))
            return self.fetched(cursor, connection)

    def given(self, values: Mapping[str, Any], connection: Any) -> list[Any]:
        """Return the parameters as the driver wants them."""
        return [
            one.field.get_db_prep_save(values[one.name], connection) if isinstance(one, Parameter) else one
            for one in self.parameters
        ]

    def fetched(self, cursor: Any, connection: Any) -> list[Row]:
        """Return the rows of the result that a cursor is at."""
        rows = cursor.fetchall()
        return _converted(rows, self.columns, connection) if rows else []


class Prepared:
    """A queryset of plain rows (``values_list``), with a `Parameter` wherever calls differ."""

    def __init__(self, queryset: models.QuerySet[Any, Any]) -> None:
        self._query = queryset.query
        self._made: dict[str, _Statement] = {}

    def rows(self, using: str, **values: Any) -> list[Row]:
        """Return the rows from the database ``using``, with a value for each parameter.

        Raises:
            django.db.Error: what the database says.
        """
        return self.bind(using, **values).rows()

    def bind(self, using: str, **values: Any) -> BoundQuery:
        """Return what `rows` would ask, for `fetch_many`."""
        return BoundQuery(self, using, values)

    def statement(self, using: str) -> _Statement:
        """Return what is kept for that database."""
        return self._made.get(using) or self._make(using)

    def _make(self, using: str) -> _Statement:
        compiler = self._query.get_compiler(using)
        sql, parameters = compiler.as_sql()
        columns = tuple(column for column, _, _ in compiler.select)
        made = self._made[using] = _Statement(sql, tuple(parameters), columns)
        return made


class BoundQuery(NamedTuple):
    """A query with its values."""

    prepared: Prepared
    using: str
    values: dict[str, Any]

    def rows(self) -> list[Row]:
        """Return the rows.

        Raises:
            django.db.Error: what the database says.
        """
        for query, rows in _fetched.get():
            if query == self:
                return rows
        return self.prepared.statement(self.using).rows(self.using, self.values)


# Many at once

_fetched: ContextVar[Sequence[tuple[BoundQuery, list[Row]]]] = ContextVar("_fetched", default=())


@contextmanager
def fetch_many(queries: Iterable[BoundQuery]) -> Iterator[None]:
    """Ask all of them by one round trip; whoever asks one of them in this block has its rows already.

    Where a database or its driver takes one statement at a time, each is asked when its turn comes.

    Raises:
        django.db.Error: what the database says.
        ValueError: what its driver says of a value that no database holds.
    """
    token = _fetched.set(_fetch_together(list(queries)))
    try:
        yield
    finally:
        _fetched.reset(token)


def _fetch_together(queries: Sequence[BoundQuery]) -> list[tuple[BoundQuery, list[Row]]]:
    aliases = {query.using for query in queries}
    if len(aliases) != 1 or not _takes_many(connection := connections[aliases.pop()]):
        return []
    statements = [query.prepared.statement(query.using) for query in queries]
    given = [
        value
        for query, statement in zip(queries, statements, strict=True)
        for value in statement.given(query.values, connection)
    ]
    found = []
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statement.sql for statement in statements), given)
        for query, statement in zip(queries, statements, strict=True):
            found.append((query, statement.fetched(cursor, connection)))
            cursor.nextset()
    return found


def _takes_many(connection: Any) -> bool:
    """Return whether one call may have several statements: psycopg 3 says so where it puts the values in by itself."""
    return (
        connection.vendor == "postgresql"
        and connection.Database.__name__ == "psycopg"
        and not connection.features.uses_server_side_binding
    )


def _converted(rows: list[Row], columns: Iterable[Any], connection: Any) -> list[Row]:
    """Return rows as Django would: SQLite knows no times, for one."""
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


# Instances


def instances(manager: models.Manager[Any], name: str, values: Sequence[Any]) -> Iterable[Any]:
    """Return the rows in which the field ``name``, which is unique, has one of these values.

    Many are asked for as ever. The query for a single one is kept, if the manager's is that of all rows.
    """
    query = instance(manager, name, values[0]) if len(values) == 1 else None
    if query is not None:
        return _loaded(manager.model, query)
    found: Iterable[Any] = manager.filter(**{f"{name}__in": values})
    return found


def instance(manager: models.Manager[Any], name: str, value: Any) -> BoundQuery | None:
    """Return what `instances` asks for a single one; ``None`` where the query is not kept."""
    if type(manager).get_queryset is not BaseManager.get_queryset:
        return None
    model: type[models.Model] = manager.model
    return _by(model, name).bind(manager.db, value=value)


def _loaded(model: type[models.Model], query: BoundQuery) -> Iterator[models.Model]:
    for row in query.rows():
        yield model.from_db(query.using, [field.attname for field in model._meta.concrete_fields], row)


@cache
def _by(model: type[models.Model], name: str) -> Prepared:
    columns = [field.attname for field in model._meta.concrete_fields]
    value = Parameter("value", model._meta.pk if name == "pk" else model._meta.get_field(name))
    return Prepared(model._base_manager.filter(**{name: value}).values_list(*columns))


# Rows to insert

_inserts: dict[tuple[Any, ...], _Statement] = {}


def insert(instance: models.Model, using: str, fields: Sequence[Any], returning: Sequence[Any]) -> list[Row] | None:
    """Insert a row as ``Model._do_insert`` does; return ``None`` where it should be Django's own that does it.

    Raises:
        django.db.Error: what the database says.
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
        return None  # a database that takes them as parameters, such as Oracle
    columns = tuple(field.get_col(model._meta.db_table) for field in returning)
    made = _inserts[key] = _Statement(sql, tuple(parameters), columns)
    return made
