// Rows for a metadata document: the same for the same document, keys unique, the first rows of every set hold what is awkward (null, empty, the ends of a
// type's range, quotes, other scripts). Knows types, and of one document which keys must agree.

const ROWS = 60;
const MANY = { A_BusinessPartner: 250 };

// What identifies a business partner has the same value in all sets of a row's number, so that they can be joined.
const SAME = /^(BusinessPartner|Customer|Supplier)$/;

const AWKWARD = ["O'Neil & Söhne", '', 'Ωμέγα 東京 🚢', 'a/b?c#d%e', '"quoted" \\ back'];

/** Pairs of an entity set and its rows. */
export function rowsOf(document) {
  const types = new Map(document.schema.entityTypes.map((type) => [type.fullyQualifiedName, type]));
  const complex = new Map(document.schema.complexTypes.map((type) => [type.fullyQualifiedName, type]));
  const enums = new Map(document.schema.enumTypes.map((type) => [type.fullyQualifiedName, type]));
  const version2 = document.version !== '4.0' && document.version !== '4.01';
  return document.schema.entitySets.map(({ name, entityTypeName }) => {
    const keys = new Set((types.get(entityTypeName).keys ?? []).map((key) => key.name));
    const rows = [];
    for (let number = 0; number < (MANY[name] ?? ROWS); number++) {
      const made = { number, version2, complex, enums };
      rows.push(Object.fromEntries(types.get(entityTypeName).entityProperties.map((each) => [each.name, value(each, keys.has(each.name), made)])));
    }
    return [name, rows];
  });
}

function value(property, isKey, made) {
  const { number } = made;
  const { type } = property;
  if (!isKey && property.nullable !== false && number % 7 === 3) return type.startsWith('Collection(') ? [] : null;
  if (type.startsWith('Collection(')) {
    const item = { ...property, type: type.slice('Collection('.length, -1), nullable: false };
    return Array.from({ length: number % 3 }, (_, index) => value(item, false, { ...made, number: number + index }));
  }
  if (made.complex.has(type)) {
    return Object.fromEntries(made.complex.get(type).properties.map((each) => [each.name, value(each, false, made)]));
  }
  if (made.enums.has(type)) {
    const members = made.enums.get(type).members;
    return members[number % members.length].name;
  }
  return primitive(property, isKey, made);
}

function primitive(property, isKey, { number, version2 }) {
  // The numbers of a type: its ends first.
  const ends = (low, high) => (number === 0 && !isKey ? low : number === 1 && !isKey ? high : number);
  const day = Date.UTC(2024, 0, 1) + number * 86_400_000;
  switch (property.type) {
    case 'Edm.String': return text(property, isKey, number);
    case 'Edm.Boolean': return number % 2 === 0;
    case 'Edm.Byte': return ends(0, 255);
    case 'Edm.SByte': return ends(-128, 127);
    case 'Edm.Int16': return ends(-32768, 32767);
    case 'Edm.Int32': return ends(-2147483648, 2147483647);
    // As text, because a number of JavaScript is not exact there; V2 has it so anyway.
    case 'Edm.Int64': return version2 ? String(ends('-9223372036854775808', '9223372036854775807')) : number;
    case 'Edm.Single': case 'Edm.Double': return number + 0.5;
    case 'Edm.Decimal': return decimal(property, number, version2);
    case 'Edm.Date': return new Date(day).toISOString().slice(0, 10);
    case 'Edm.DateTime': return `/Date(${number === 0 && !isKey ? -62135596800000 : number === 1 && !isKey ? 253402214400000 : day})/`;
    case 'Edm.DateTimeOffset': return version2 ? `/Date(${day + 123}+0000)/` : new Date(day + 123).toISOString();
    case 'Edm.Time': return `PT${String(number % 24).padStart(2, '0')}H${String(number % 60).padStart(2, '0')}M59S`;
    case 'Edm.TimeOfDay': return `${String(number % 24).padStart(2, '0')}:${String(number % 60).padStart(2, '0')}:59`;
    case 'Edm.Duration': return `P${number}DT1H`;
    case 'Edm.Guid': return `0050568${String(number).padStart(1, '0').slice(-1)}-0000-1eda-8000-${String(number).padStart(12, '0')}`;
    case 'Edm.Binary': return Buffer.from(`row ${number}`).toString('base64');
    case 'Edm.GeographyPoint': case 'Edm.GeometryPoint':
      return { type: 'Point', coordinates: [number - 122.5, 47.25], crs: { type: 'name', properties: { name: 'EPSG:4326' } } };
    default: return null;
  }
}

function text(property, isKey, number) {
  const length = Number(property.maxLength) || 40;
  if (SAME.test(property.name)) return String(1_000_000 + number);
  if (isKey) return String(number + 1).padStart(Math.min(length, 4), '0').slice(-length);
  const plain = number < AWKWARD.length ? AWKWARD[number] : `${property.name} ${number}`;
  return [...plain].slice(0, length).join('');
}

function decimal(property, number, version2) {
  const scale = Number(property.scale) || 0;
  const whole = Math.min((Number(property.precision) || 15) - scale, 15);
  const digits = number === 0 ? '9'.repeat(whole) : String(number).slice(-whole);
  const exact = `${number === 1 ? '-' : ''}${digits}${scale ? `.${'9'.repeat(scale)}` : ''}`;
  return version2 ? exact : Number(exact);
}
