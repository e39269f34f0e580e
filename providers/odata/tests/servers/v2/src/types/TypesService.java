package types;

import java.math.BigDecimal;
import java.util.Calendar;
import java.util.GregorianCalendar;
import java.util.List;
import java.util.TimeZone;
import java.util.UUID;
import org.apache.olingo.odata2.annotation.processor.core.ListsProcessor;
import org.apache.olingo.odata2.annotation.processor.core.datasource.AnnotationInMemoryDs;
import org.apache.olingo.odata2.annotation.processor.core.datasource.AnnotationValueAccess;
import org.apache.olingo.odata2.annotation.processor.core.datasource.DataStore;
import org.apache.olingo.odata2.annotation.processor.core.edm.AnnotationEdmProvider;
import org.apache.olingo.odata2.api.exception.ODataException;

/**
 * Rows of every simple type, served by Olingo's annotation processor, because the reference scenario has few types. Only the rows and their shape are
 * ours; what parses, filters, pages and writes is not.
 */
public final class TypesService {
  private static final List<Class<?>> CLASSES = List.of(AllTypes.class, Keys.class, Place.class);

  private final AnnotationInMemoryDs rows;
  private final AnnotationEdmProvider model;

  public TypesService() throws ODataException {
    rows = new AnnotationInMemoryDs(CLASSES, false);
    model = new AnnotationEdmProvider(CLASSES);
    final DataStore<AllTypes> all = rows.getDataStore(AllTypes.class);
    all.create(lowest());
    all.create(highest());
    final AllTypes nulls = new AllTypes();
    nulls.Id = 3;
    all.create(nulls);
    all.create(zero());
    final DataStore<Keys> keys = rows.getDataStore(Keys.class);
    keys.create(key("plain", true, 1L, "1.5", 1));
    keys.create(key("it's a/b?c#d%e & Ωμέγα", false, Long.MIN_VALUE, "-0.125", 2));
  }

  public AnnotationEdmProvider model() {
    return model;
  }

  /** A processor is of one request. */
  public ListsProcessor processor() {
    return new ListsProcessor(rows, new AnnotationValueAccess());
  }

  private static AllTypes lowest() {
    final AllTypes row = new AllTypes();
    row.Id = 1;
    row.Text = "it's \"lowest\" \\ Ωμέγα 東京 🚢";
    row.Flag = false;
    row.Byte = 0;
    row.SByte = Byte.MIN_VALUE;
    row.Int16 = Short.MIN_VALUE;
    row.Int32 = Integer.MIN_VALUE;
    row.Int64 = Long.MIN_VALUE;
    row.Single = -Float.MAX_VALUE;
    row.Double = -Double.MAX_VALUE;
    row.Decimal = new BigDecimal("-9999999999999999999.999999999");
    row.DateTime = proleptic(1);
    row.DateTimeOffset = utc(1583, 1, 1, 0, 0, 0, 0);
    row.Time = utc(1970, 1, 1, 0, 0, 0, 0);
    row.Guid = new UUID(0, 0);
    row.Binary = new byte[0];
    row.Place = place("", "-90");
    return row;
  }

  private static AllTypes highest() {
    final AllTypes row = new AllTypes();
    row.Id = 2;
    row.Text = "";
    row.Flag = true;
    row.Byte = 255;
    row.SByte = Byte.MAX_VALUE;
    row.Int16 = Short.MAX_VALUE;
    row.Int32 = Integer.MAX_VALUE;
    row.Int64 = Long.MAX_VALUE;
    row.Single = Float.MAX_VALUE;
    row.Double = Double.MAX_VALUE;
    row.Decimal = new BigDecimal("9999999999999999999.999999999");
    row.DateTime = utc(9999, 12, 31, 23, 59, 59, 999);
    row.DateTimeOffset = utc(9999, 12, 31, 23, 59, 59, 999);
    row.Time = utc(1970, 1, 1, 23, 59, 59, 999);
    row.Guid = UUID.fromString("ffffffff-ffff-ffff-ffff-ffffffffffff");
    row.Binary = new byte[] {0, 1, (byte) 0xfe, (byte) 0xff};
    row.Place = place("O'Fallon", "89.999999");
    return row;
  }

  private static AllTypes zero() {
    final AllTypes row = new AllTypes();
    row.Id = 4;
    row.Text = "zero";
    row.Flag = true;
    row.Byte = 0;
    row.SByte = 0;
    row.Int16 = 0;
    row.Int32 = 0;
    row.Int64 = 9007199254740993L;
    row.Single = 0.1f;
    row.Double = 0.1;
    row.Decimal = new BigDecimal("0.1");
    row.DateTime = utc(2024, 2, 29, 12, 34, 56, 789);
    row.DateTimeOffset = utc(2024, 2, 29, 12, 34, 56, 789);
    row.Time = utc(1970, 1, 1, 12, 34, 56, 0);
    row.Guid = UUID.fromString("01234567-89ab-cdef-0123-456789abcdef");
    row.Binary = new byte[] {42};
    return row;
  }

  private static Keys key(final String text, final boolean flag, final long number, final String decimal, final int second) {
    final Keys row = new Keys();
    row.Text = text;
    row.Flag = flag;
    row.Int64 = number;
    row.Decimal = new BigDecimal(decimal);
    row.DateTime = utc(2024, 2, 29, 12, 34, second, 0);
    row.Time = utc(1970, 1, 1, 1, 2, second, 0);
    row.Guid = new UUID(1, second);
    row.Note = "note " + second;
    return row;
  }

  private static Place place(final String city, final String latitude) {
    final Place place = new Place();
    place.City = city;
    place.Latitude = new BigDecimal(latitude);
    return place;
  }

  /** As the service makes its own, or else a key would not be equal to itself. */
  private static Calendar utc(final int year, final int month, final int day, final int hour, final int minute, final int second, final int millis) {
    final Calendar calendar = Calendar.getInstance(TimeZone.getTimeZone("GMT"));
    calendar.clear();
    calendar.set(year, month - 1, day, hour, minute, second);
    calendar.set(Calendar.MILLISECOND, millis);
    return calendar;
  }

  /** The first day of a year before 1582, in the calendar of OData. */
  private static Calendar proleptic(final int year) {
    final GregorianCalendar calendar = new GregorianCalendar(TimeZone.getTimeZone("GMT"));
    calendar.setGregorianChange(new java.util.Date(Long.MIN_VALUE));
    calendar.clear();
    calendar.set(year, Calendar.JANUARY, 1);
    return calendar;
  }
}
