"""Models that hold the fixtures of the conformance suite, one per fixture table: `portico.fixture.edge_text` and so on.

It is loaded by the Tryton server of the tests, which is a process of its own, and is no part of the program.
"""

from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool


def digits(precision, scale):
    return {'digits': (precision - scale, scale)}


TEXT = {'strip': False}
# Name of the field: class, arguments. Every field is optional unless it says otherwise.
EDGES = {
    'boolean': (fields.Boolean, {}),
    'int32': (fields.Integer, {}),
    'float64': (fields.Float, {}),
    'decimal': (fields.Numeric, digits(13, 2)),
    'decimal_whole': (fields.Numeric, digits(10, 0)),
    'decimal_fraction': (fields.Numeric, digits(9, 9)),
    'decimal_38': (fields.Numeric, digits(38, 10)),
    'text': (fields.Text, TEXT),
    # As fields are unless they say otherwise: blanks at the ends go.
    'stripped': (fields.Char, {}),
    'binary': (fields.Binary, {}),
    'date': (fields.Date, {}),
    'time': (fields.Time, {}),
    'timestamptz': (fields.Timestamp, {}),
    'datetime': (fields.DateTime, {}),
    'guid': (fields.Char, TEXT),
}
MODELS = {f'edge_{name}': {'v': edge, 'w': edge} for name, edge in EDGES.items()}
MODELS.update({
    'mixed': {
        'flag': (fields.Boolean, {}),
        'small': (fields.Integer, {}),
        'n': (fields.Integer, {}),
        'm': (fields.Integer, {'required': True}),
        'ratio': (fields.Float, {}),
        'amount': (fields.Numeric, digits(13, 2)),
        'rate': (fields.Numeric, digits(9, 4)),
        'name': (fields.Text, TEXT),
        'code': (fields.Text, {'required': True, 'strip': False}),
        'payload': (fields.Binary, {}),
        'day': (fields.Date, {}),
        'at_time': (fields.Time, {}),
        'at': (fields.Timestamp, {}),
        'at_zone': (fields.Timestamp, {}),
        'guid': (fields.Char, TEXT),
    },
    'authors': {'name': (fields.Char, {'size': 40, 'required': True})},
    'books': {
        'author_id': (fields.Many2One, {'model_name': 'portico.fixture.authors'}),
        'title': (fields.Char, {'required': True}),
        'price': (fields.Numeric, digits(13, 2)),
        'published': (fields.Date, {}),
    },
    'large': {'filler': (fields.Text, {'required': True, 'strip': False})},
    'write_parent': {
        'name': (fields.Char, {'size': 20, 'required': True}),
        'note': (fields.Char, {'size': 40}),
        'amount': (fields.Numeric, digits(13, 2)),
        'flag': (fields.Boolean, {}),
        'version': (fields.Integer, {'required': True}),
        'children': (fields.One2Many, {'model_name': 'portico.fixture.write_child', 'field': 'parent_id'}),
    },
    'write_child': {
        'parent_id': (fields.Many2One, {'model_name': 'portico.fixture.write_parent', 'ondelete': 'RESTRICT'}),
        'label': (fields.Char, {}),
    },
})


def model(name, columns):
    members = {'__name__': f'portico.fixture.{name}', '__slots__': ()}
    for column, (kind, arguments) in columns.items():
        arguments = dict(arguments)
        positional = [arguments.pop(key) for key in ('model_name', 'field') if key in arguments]
        members[column] = kind(*positional, column, **arguments)
    return type(''.join(part.title() for part in name.split('_')), (ModelSQL, ModelView), members)


def register():
    Pool.register(*(model(name, columns) for name, columns in MODELS.items()), module='portico_fixture', type_='model')
