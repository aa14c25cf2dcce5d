/**
 * JSON for handlers written for Java, without a library: what a function brings is its own business, and AWS's runtime does not use it either. `Json` reads text into
 * maps, lists and scalars and writes objects; `Binding` makes objects of a handler's types from what was read ("Java handler: input type").
 */
export const javaJson: Readonly<Record<string, string>> = {
  'pilvi/Json.java': String.raw`package pilvi;

import java.lang.reflect.*;
import java.math.*;
import java.nio.ByteBuffer;
import java.util.*;

/** Reads and writes JSON. */
final class Json {
  private final String text;
  private int at;

  private Json(String text) { this.text = text; }

  static Object read(String text) {
    Json json = new Json(text);
    Object value = json.value();
    json.space();
    if (json.at < text.length()) throw json.odd();
    return value;
  }

  private IllegalArgumentException odd() { return new IllegalArgumentException("Unexpected JSON at character " + at); }

  private void space() { while (at < text.length() && text.charAt(at) <= ' ') at++; }

  private char peek() {
    space();
    if (at >= text.length()) throw odd();
    return text.charAt(at);
  }

  private boolean taken(char wanted) {
    if (peek() != wanted) return false;
    at++;
    return true;
  }

  private void expect(char wanted) { if (!taken(wanted)) throw odd(); }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) throw odd();
    at += word.length();
    return value;
  }

  private Object value() {
    switch (peek()) {
      case '{': return object();
      case '[': return array();
      case '"': return string();
      case 't': return word("true", Boolean.TRUE);
      case 'f': return word("false", Boolean.FALSE);
      case 'n': return word("null", null);
      default: return number();
    }
  }

  private Map<String, Object> object() {
    Map<String, Object> all = new LinkedHashMap<>();
    expect('{');
    if (taken('}')) return all;
    do {
      if (peek() != '"') throw odd();
      String name = string();
      expect(':');
      all.put(name, value());
    } while (taken(','));
    expect('}');
    return all;
  }

  private List<Object> array() {
    List<Object> all = new ArrayList<>();
    expect('[');
    if (taken(']')) return all;
    do all.add(value()); while (taken(','));
    expect(']');
    return all;
  }

  private String string() {
    StringBuilder all = new StringBuilder();
    at++;
    for (;;) {
      if (at >= text.length()) throw odd();
      char c = text.charAt(at++);
      if (c == '"') return all.toString();
      if (c != '\\') { all.append(c); continue; }
      if (at >= text.length()) throw odd();
      char e = text.charAt(at++);
      switch (e) {
        case 'n': all.append('\n'); break;
        case 't': all.append('\t'); break;
        case 'r': all.append('\r'); break;
        case 'b': all.append('\b'); break;
        case 'f': all.append('\f'); break;
        case 'u':
          if (at + 4 > text.length()) throw odd();
          all.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
          at += 4;
          break;
        default: all.append(e);
      }
    }
  }

  private Number number() {
    int from = at;
    while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) at++;
    String digits = text.substring(from, at);
    if (digits.isEmpty()) throw odd();
    if (digits.matches("-?\\d+")) {
      BigInteger whole = new BigInteger(digits);
      if (whole.bitLength() < 32) return whole.intValue();
      return whole.bitLength() < 64 ? (Number) whole.longValue() : whole;
    }
    return Double.valueOf(digits);
  }

  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(out, value);
    return out.toString();
  }

  private static void write(StringBuilder out, Object value) {
    if (value == null || value instanceof Boolean) out.append(value);
    else if (value instanceof Double || value instanceof Float) {
      double number = ((Number) value).doubleValue();
      if (Double.isNaN(number) || Double.isInfinite(number)) quote(out, value.toString());
      else out.append(value);
    } else if (value instanceof Number) out.append(value instanceof BigDecimal || value.getClass().getName().startsWith("java.") ? value.toString() : "" + ((Number) value).longValue());
    else if (value instanceof CharSequence || value instanceof Character) quote(out, value.toString());
    else if (value instanceof Enum) quote(out, ((Enum<?>) value).name());
    else if (value instanceof Map) writeMap(out, (Map<?, ?>) value);
    else if (value instanceof Iterable) writeAll(out, ((Iterable<?>) value).iterator());
    else if (value instanceof byte[]) quote(out, Base64.getEncoder().encodeToString((byte[]) value));
    else if (value instanceof ByteBuffer) quote(out, base64((ByteBuffer) value));
    else if (value.getClass().isArray()) {
      List<Object> all = new ArrayList<>();
      for (int i = 0; i < Array.getLength(value); i++) all.add(Array.get(value, i));
      writeAll(out, all.iterator());
    } else if (value instanceof Optional) write(out, ((Optional<?>) value).orElse(null));
    else if (value instanceof Date) out.append(((Date) value).getTime());
    else if (value instanceof UUID || value.getClass().getName().startsWith("java.time.") || value instanceof java.net.URI) quote(out, value.toString());
    else writeMap(out, properties(value));
  }

  private static String base64(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return Base64.getEncoder().encodeToString(bytes);
  }

  private static void writeMap(StringBuilder out, Map<?, ?> map) {
    String between = "{";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      out.append(between);
      quote(out, String.valueOf(entry.getKey()));
      out.append(':');
      write(out, entry.getValue());
      between = ",";
    }
    out.append(map.isEmpty() ? "{}" : "}");
  }

  private static void writeAll(StringBuilder out, Iterator<?> all) {
    out.append('[');
    while (all.hasNext()) {
      write(out, all.next());
      if (all.hasNext()) out.append(',');
    }
    out.append(']');
  }

  private static void quote(StringBuilder out, String value) {
    out.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c == '\n') out.append("\\n");
      else if (c == '\r') out.append("\\r");
      else if (c == '\t') out.append("\\t");
      else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    out.append('"');
  }

  /** Values of an object by name: components of a record, else what getters and public fields give. */
  private static Map<String, Object> properties(Object bean) {
    Map<String, Object> all = new LinkedHashMap<>();
    Class<?> type = bean.getClass();
    try {
      if (type.isRecord()) {
        for (RecordComponent part : type.getRecordComponents()) {
          part.getAccessor().setAccessible(true);
          all.put(part.getName(), part.getAccessor().invoke(bean));
        }
        return all;
      }
      for (Field field : type.getFields()) if (!Modifier.isStatic(field.getModifiers())) all.put(field.getName(), field.get(bean));
      Method[] methods = type.getMethods();
      Arrays.sort(methods, Comparator.comparing(Method::getName));
      for (Method method : methods) {
        String name = Binding.property(method);
        if (name == null) continue;
        method.setAccessible(true);
        all.put(name, method.invoke(bean));
      }
    } catch (ReflectiveOperationException error) {
      throw new RuntimeException("An error occurred during JSON serialization of response", error);
    }
    return all;
  }
}
`,
  'pilvi/Binding.java': `package pilvi;

import java.lang.reflect.*;
import java.math.*;
import java.nio.ByteBuffer;
import java.util.*;

/** Makes objects of a wanted type from maps, lists and scalars. */
final class Binding {
  private Binding() {}

  /** The property that a getter gives, with all capitals at its start made small; null for other methods. */
  static String property(Method method) {
    String name = method.getName();
    if (method.getParameterCount() > 0 || Modifier.isStatic(method.getModifiers()) || method.getDeclaringClass() == Object.class) return null;
    if (name.startsWith("get") && name.length() > 3 && method.getReturnType() != void.class) return small(name.substring(3));
    boolean truth = method.getReturnType() == boolean.class || method.getReturnType() == Boolean.class;
    return truth && name.startsWith("is") && name.length() > 2 ? small(name.substring(2)) : null;
  }

  private static String small(String name) {
    int end = 0;
    while (end < name.length() && Character.isUpperCase(name.charAt(end))) end++;
    return name.substring(0, end).toLowerCase(Locale.ROOT) + name.substring(end);
  }

  static Object bind(Object value, Type type) throws ReflectiveOperationException {
    if (type instanceof TypeVariable) return bind(value, ((TypeVariable<?>) type).getBounds()[0]);
    if (type instanceof WildcardType) return bind(value, ((WildcardType) type).getUpperBounds()[0]);
    if (type instanceof GenericArrayType) return bindArray(value, ((GenericArrayType) type).getGenericComponentType());
    Type[] parts = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
    Class<?> wanted = (Class<?>) (type instanceof ParameterizedType ? ((ParameterizedType) type).getRawType() : type);
    if (wanted == Optional.class) return Optional.ofNullable(value == null ? null : bind(value, part(parts, 0)));
    if (value == null) return wanted.isPrimitive() ? Array.get(Array.newInstance(wanted, 1), 0) : null;
    if (wanted == Object.class) return value;
    if (wanted == byte[].class) return Base64.getDecoder().decode((String) value);
    if (wanted.isArray()) return bindArray(value, wanted.getComponentType());
    if (Map.class.isAssignableFrom(wanted)) return bindMap((Map<?, ?>) value, wanted, parts);
    if (Iterable.class.isAssignableFrom(wanted)) return bindAll((List<?>) value, wanted, parts);
    Object scalar = scalar(value, wanted);
    if (scalar != null) return scalar;
    if (value instanceof Map) return wanted.isRecord() ? bindRecord((Map<?, ?>) value, wanted) : bindBean((Map<?, ?>) value, wanted);
    return parsed(value, wanted);
  }

  private static Type part(Type[] parts, int index) { return index < parts.length ? parts[index] : Object.class; }

  private static ClassCastException mismatch(Object value, Class<?> wanted) {
    return new ClassCastException("Cannot deserialize value of type " + wanted.getName() + " from " + (value instanceof Map ? "Object" : value instanceof List ? "Array" : value.getClass().getSimpleName()) + " value");
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static Object scalar(Object value, Class<?> wanted) {
    if (wanted == String.class || wanted == CharSequence.class) {
      if (value instanceof Map || value instanceof List) throw mismatch(value, wanted);
      return String.valueOf(value);
    }
    if (wanted == boolean.class || wanted == Boolean.class) return value instanceof Boolean ? value : Boolean.valueOf(String.valueOf(value));
    if (wanted == char.class || wanted == Character.class) return String.valueOf(value).charAt(0);
    if (wanted.isEnum()) return Enum.valueOf((Class<? extends Enum>) wanted, String.valueOf(value));
    boolean number = wanted.isPrimitive() || Number.class.isAssignableFrom(wanted);
    if (!number) return null;
    if (value instanceof Map || value instanceof List || value instanceof Boolean) throw mismatch(value, wanted);
    BigDecimal exact;
    try {
      exact = new BigDecimal(String.valueOf(value));
    } catch (NumberFormatException error) {
      throw mismatch(value, wanted);
    }
    if (wanted == int.class || wanted == Integer.class) return exact.intValue();
    if (wanted == long.class || wanted == Long.class) return exact.longValue();
    if (wanted == double.class || wanted == Double.class) return exact.doubleValue();
    if (wanted == float.class || wanted == Float.class) return exact.floatValue();
    if (wanted == short.class || wanted == Short.class) return exact.shortValue();
    if (wanted == byte.class || wanted == Byte.class) return exact.byteValue();
    if (wanted == BigInteger.class) return exact.toBigInteger();
    return wanted == BigDecimal.class ? exact : value;
  }

  private static Object bindArray(Object value, Type part) throws ReflectiveOperationException {
    List<?> all = (List<?>) value;
    Class<?> raw = (Class<?>) (part instanceof ParameterizedType ? ((ParameterizedType) part).getRawType() : part);
    Object array = Array.newInstance(raw, all.size());
    for (int i = 0; i < all.size(); i++) Array.set(array, i, bind(all.get(i), part));
    return array;
  }

  @SuppressWarnings("unchecked")
  private static Object bindMap(Map<?, ?> value, Class<?> wanted, Type[] parts) throws ReflectiveOperationException {
    Map<Object, Object> all = wanted.isInterface() ? wanted.isAssignableFrom(TreeMap.class) && !wanted.isAssignableFrom(LinkedHashMap.class) ? new TreeMap<>() : new LinkedHashMap<>()
      : (Map<Object, Object>) wanted.getConstructor().newInstance();
    for (Map.Entry<?, ?> entry : value.entrySet()) all.put(bind(entry.getKey(), part(parts, 0)), bind(entry.getValue(), part(parts, 1)));
    return all;
  }

  @SuppressWarnings("unchecked")
  private static Object bindAll(List<?> value, Class<?> wanted, Type[] parts) throws ReflectiveOperationException {
    Collection<Object> all = !wanted.isInterface() ? (Collection<Object>) wanted.getConstructor().newInstance()
      : wanted.isAssignableFrom(ArrayList.class) ? new ArrayList<>() : wanted.isAssignableFrom(LinkedHashSet.class) ? new LinkedHashSet<>() : new ArrayDeque<>();
    for (Object one : value) all.add(bind(one, part(parts, 0)));
    return all;
  }

  private static Object bindRecord(Map<?, ?> value, Class<?> wanted) throws ReflectiveOperationException {
    RecordComponent[] components = wanted.getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = bind(value.get(components[i].getName()), components[i].getGenericType());
    }
    Constructor<?> constructor = wanted.getDeclaredConstructor(types);
    constructor.setAccessible(true);
    return constructor.newInstance(values);
  }

  /** AWS's own classes of events, which its client knows one by one: names with dashes, and S3's classes, which cannot be changed once made. */
  private static final String events = "com.amazonaws.services.lambda.runtime.events.";

  private static Object make(Class<?> wanted) throws ReflectiveOperationException {
    Constructor<?> constructor = wanted.getName().startsWith(events + "models.s3.")
      ? sun.reflect.ReflectionFactory.getReflectionFactory().newConstructorForSerialization(wanted, Object.class.getConstructor())
      : wanted.getDeclaredConstructor();
    constructor.setAccessible(true);
    return constructor.newInstance();
  }

  /** Members go to setters and public fields of their name, whatever its capitals; in events of S3 to its fields. Others are left out. */
  private static Object bindBean(Map<?, ?> value, Class<?> wanted) throws ReflectiveOperationException {
    Object bean = make(wanted);
    Map<String, Method> setters = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (Method method : wanted.getMethods())
      if (method.getParameterCount() == 1 && method.getName().startsWith("set") && !method.isBridge()) setters.put(method.getName().substring(3), method);
    Map<String, Field> fields = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (Class<?> type = wanted; type != null; type = type.getSuperclass()) {
      boolean sealed = type.getName().startsWith(events + "models.s3.");
      for (Field field : sealed ? type.getDeclaredFields() : type.getFields()) {
        if (Modifier.isStatic(field.getModifiers())) continue;
        if (sealed) field.setAccessible(true);
        fields.put(field.getName(), field);
      }
    }
    boolean event = wanted.getName().startsWith(events);
    for (Map.Entry<?, ?> entry : value.entrySet()) {
      String name = event ? ((String) entry.getKey()).replace("-", "") : (String) entry.getKey();
      Method setter = setters.get(name);
      if (setter != null) {
        setter.setAccessible(true);
        setter.invoke(bean, bind(entry.getValue(), setter.getGenericParameterTypes()[0]));
      } else if (fields.containsKey(name)) fields.get(name).set(bean, bind(entry.getValue(), fields.get(name).getGenericType()));
    }
    return bean;
  }

  /** Types that know how to read themselves: times, dates, buffers, identifiers. */
  private static Object parsed(Object value, Class<?> wanted) throws ReflectiveOperationException {
    if (wanted == ByteBuffer.class) return ByteBuffer.wrap(Base64.getDecoder().decode((String) value));
    if (wanted == Date.class && value instanceof Number) {
      double number = ((Number) value).doubleValue();
      // Events of streams tell seconds, objects of handlers milliseconds.
      return new Date(number < 1e11 ? Math.round(number * 1000) : Math.round(number));
    }
    if (wanted == Date.class) return Date.from(java.time.OffsetDateTime.parse((String) value).toInstant());
    for (String name : new String[] {"parse", "fromString", "valueOf", "create"})
      for (Method method : wanted.getMethods())
        if (method.getName().equals(name) && Modifier.isStatic(method.getModifiers()) && method.getParameterCount() == 1 && method.getParameterTypes()[0].isInstance(value))
          return method.invoke(null, value);
    for (Constructor<?> constructor : wanted.getConstructors())
      if (constructor.getParameterCount() == 1 && constructor.getParameterTypes()[0].isInstance(value)) return constructor.newInstance(value);
    throw mismatch(value, wanted);
  }
}
`,
};
