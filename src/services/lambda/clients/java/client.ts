/**
 * The client of the Runtime API that runs handlers written for Java: interfaces of aws-lambda-java-core and plain methods, found and called as AWS's own client does
 * ("Define Lambda function handler in Java"), with its words for errors. Kept as source, compiled once by the machine's own compiler. HTTP is spoken by hand:
 * the peer is always runtime-api.ts, and Java's own clients would double a cold start.
 */
import { javaCore } from './core.ts';
import { javaJson } from './json.ts';

const main = String.raw`package pilvi;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Asks for calls and answers them. */
public final class Client {
  private static final String base = "/2018-06-01/runtime";
  private static String peer;
  private static InputStream in;
  private static OutputStream out;

  private Client() {}

  public static void main(String[] arguments) throws Exception {
    peer = System.getenv("AWS_LAMBDA_RUNTIME_API");
    String[] parts = peer.split(":");
    Socket socket = new Socket(parts[0], Integer.parseInt(parts[1]));
    socket.setTcpNoDelay(true);
    in = new BufferedInputStream(socket.getInputStream(), 65536);
    out = socket.getOutputStream();
    Handler handler;
    try {
      handler = Handler.find(System.getenv("_HANDLER"));
    } catch (Throwable error) {
      fail("/init/error", error, "Runtime.BadFunctionCode");
      Runtime.getRuntime().halt(1);
      return;
    }
    List<Method> loggers = loggers();
    for (;;) serve(handler, loggers);
  }

  private static void serve(Handler handler, List<Method> loggers) throws IOException {
    Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    byte[] payload = request("GET", "/invocation/next", "", null, headers);
    String id = headers.get("lambda-runtime-aws-request-id");
    String trace = headers.get("lambda-runtime-trace-id");
    if (trace == null) System.clearProperty("com.amazonaws.xray.traceHeader");
    else System.setProperty("com.amazonaws.xray.traceHeader", trace);
    try {
      for (Method logger : loggers) logger.invoke(null, "AWSRequestId", id);
      byte[] answer = handler.call(payload, new Invocation(headers));
      System.out.flush();
      request("POST", "/invocation/" + id + "/response", "Content-Type: application/json\r\n", answer, new HashMap<>());
      Thread.interrupted();
    } catch (Throwable error) {
      fail("/invocation/" + id + "/error", error, error instanceof Handler.Unfit ? "Runtime.BadFunctionCode" : "Runtime.UserException");
      if (error instanceof VirtualMachineError || error instanceof IOError) Runtime.getRuntime().halt(1);
    }
  }

  /** Where libraries for logs look for the call they write about ("Lambda function logging in Java"): those that the function brings. */
  private static List<Method> loggers() {
    List<Method> all = new ArrayList<>();
    for (String name : new String[] {"org.apache.log4j.MDC", "org.apache.logging.log4j.ThreadContext", "org.slf4j.MDC"}) {
      try {
        all.add(Class.forName(name).getMethod("put", String.class, name.startsWith("org.apache.log4j") ? Object.class : String.class));
      } catch (ReflectiveOperationException | LinkageError error) {
        // Not brought, or broken: the function's own matter.
      }
    }
    return all;
  }

  private static byte[] request(String verb, String path, String more, byte[] body, Map<String, String> headers) throws IOException {
    String head = verb + " " + base + path + " HTTP/1.1\r\nHost: " + peer + "\r\n" + more + (body == null ? "" : "Content-Length: " + body.length + "\r\n") + "\r\n";
    out.write(head.getBytes(StandardCharsets.ISO_8859_1));
    if (body != null) out.write(body);
    out.flush();
    line();
    for (String line = line(); !line.isEmpty(); line = line()) {
      int colon = line.indexOf(':');
      headers.put(line.substring(0, colon), line.substring(colon + 1).trim());
    }
    return in.readNBytes(Integer.parseInt(header(headers, "content-length")));
  }

  private static String header(Map<String, String> headers, String name) {
    for (Map.Entry<String, String> entry : headers.entrySet()) if (entry.getKey().equalsIgnoreCase(name)) return entry.getValue();
    return "0";
  }

  private static String line() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) Runtime.getRuntime().halt(1);
      if (c != '\r') line.write(c);
    }
    return line.toString(StandardCharsets.UTF_8);
  }

  private static void fail(String path, Throwable error, String kind) throws IOException {
    Map<String, Object> told = new LinkedHashMap<>();
    boolean fault = error instanceof Handler.Unfit;
    String type = fault ? ((Handler.Unfit) error).type : error.getClass().getName();
    told.put("errorMessage", fault || error.getLocalizedMessage() != null ? error.getLocalizedMessage() : fault ? null : type);
    if (type != null) told.put("errorType", type);
    StringWriter shown = new StringWriter();
    if (!fault) {
      trim(error, new HashSet<>());
      List<String> trace = new ArrayList<>();
      for (StackTraceElement frame : error.getStackTrace()) trace.add(frame.toString());
      told.put("stackTrace", trace);
      error.printStackTrace(new PrintWriter(shown, true));
    }
    log(told.get("errorMessage") + (type == null ? "" : ": " + type) + "\n" + shown);
    System.out.flush();
    request("POST", path, "Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: " + kind + "\r\n", Json.write(told).getBytes(StandardCharsets.UTF_8), new HashMap<>());
  }

  /** Leaves out what lies below the handler. */
  private static void trim(Throwable error, Set<Throwable> seen) {
    if (error == null || !seen.add(error)) return;
    List<StackTraceElement> own = new ArrayList<>();
    for (StackTraceElement frame : error.getStackTrace()) {
      if (frame.getClassName().startsWith("pilvi.")) break;
      own.add(frame);
    }
    while (!own.isEmpty() && own.get(own.size() - 1).getClassName().matches("(java\\.lang|jdk\\.internal)\\.reflect\\..*")) own.remove(own.size() - 1);
    error.setStackTrace(own.toArray(new StackTraceElement[0]));
    trim(error.getCause(), seen);
  }

  /** One event of the log, of however many lines. */
  static void log(String message) {
    String text = message.replaceAll("\n+$", "").replace('\n', '\r') + "\n";
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    System.out.write(bytes, 0, bytes.length);
    System.out.flush();
  }

  static Throwable cause(InvocationTargetException error) { return error.getCause() == null ? error : error.getCause(); }
}
`;

const invocation = `package pilvi;

import com.amazonaws.services.lambda.runtime.*;
import java.util.*;

/** What a handler is told of its call. */
final class Invocation implements Context, LambdaLogger {
  private final Map<String, String> headers;
  private final long deadline;

  Invocation(Map<String, String> headers) {
    this.headers = headers;
    deadline = Long.parseLong(headers.get("lambda-runtime-deadline-ms"));
  }

  private static String env(String name) { return System.getenv("AWS_LAMBDA_" + name); }

  public String getAwsRequestId() { return headers.get("lambda-runtime-aws-request-id"); }
  public String getInvokedFunctionArn() { return headers.get("lambda-runtime-invoked-function-arn"); }
  public String getLogGroupName() { return env("LOG_GROUP_NAME"); }
  public String getLogStreamName() { return env("LOG_STREAM_NAME"); }
  public String getFunctionName() { return env("FUNCTION_NAME"); }
  public String getFunctionVersion() { return env("FUNCTION_VERSION"); }
  public int getMemoryLimitInMB() { return Integer.parseInt(env("FUNCTION_MEMORY_SIZE")); }
  public int getRemainingTimeInMillis() { return (int) Math.max(0, deadline - System.currentTimeMillis()); }
  public LambdaLogger getLogger() { return this; }
  public void log(String message) { Client.log(String.valueOf(message)); }
  public void log(byte[] message) { Client.log(new String(message, java.nio.charset.StandardCharsets.UTF_8)); }

  @SuppressWarnings("unchecked")
  private Map<String, Object> told(String header) { return headers.get(header) == null ? null : (Map<String, Object>) Json.read(headers.get(header)); }

  public CognitoIdentity getIdentity() {
    Map<String, Object> told = told("lambda-runtime-cognito-identity");
    return new CognitoIdentity() {
      public String getIdentityId() { return told == null ? "" : (String) told.get("cognitoIdentityId"); }
      public String getIdentityPoolId() { return told == null ? "" : (String) told.get("cognitoIdentityPoolId"); }
    };
  }

  public ClientContext getClientContext() {
    Map<String, Object> told = told("lambda-runtime-client-context");
    if (told == null) return null;
    return new ClientContext() {
      public Map<String, String> getCustom() { return words(told.get("custom")); }
      public Map<String, String> getEnvironment() { return words(told.get("env")); }
      public com.amazonaws.services.lambda.runtime.Client getClient() {
        Map<String, String> client = words(told.get("client"));
        return client == null ? null : new com.amazonaws.services.lambda.runtime.Client() {
          public String getInstallationId() { return client.get("installation_id"); }
          public String getAppTitle() { return client.get("app_title"); }
          public String getAppVersionName() { return client.get("app_version_name"); }
          public String getAppVersionCode() { return client.get("app_version_code"); }
          public String getAppPackageName() { return client.get("app_package_name"); }
        };
      }
    };
  }

  private static Map<String, String> words(Object members) {
    if (!(members instanceof Map)) return null;
    Map<String, String> all = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : ((Map<?, ?>) members).entrySet()) all.put((String) entry.getKey(), String.valueOf(entry.getValue()));
    return all;
  }
}
`;

const handlers = `package pilvi;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.lang.reflect.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** A handler by its name: package.Class or package.Class::method. */
interface Handler {
  byte[] call(byte[] payload, Context context) throws Throwable;

  /** The code is no handler: told to every caller. */
  final class Unfit extends RuntimeException {
    final String type;
    Unfit(String message, String type) { super(message, null, false, false); this.type = type; }
  }

  static Handler find(String name) throws Throwable {
    String[] parts = name.split("::", -1);
    if (parts.length > 2 || parts[0].isEmpty() || parts.length == 2 && parts[1].isEmpty()) return unfit("Invalid handler: ${'`'}" + name + "'", null);
    Class<?> type;
    try {
      type = Class.forName(parts[0]);
    } catch (ClassNotFoundException error) {
      return unfit("Class not found: " + parts[0], error.getClass().getName());
    } catch (ExceptionInInitializerError error) {
      throw error.getCause() == null ? error : error.getCause();
    }
    return parts.length == 1 ? byInterface(type) : byMethod(type, parts[1]);
  }

  private static Handler unfit(String message, String type) {
    return (payload, context) -> { throw new Unfit(message, type); };
  }

  private static Object make(Class<?> type) throws Throwable {
    try {
      return type.getConstructor().newInstance();
    } catch (InvocationTargetException error) {
      throw Client.cause(error);
    }
  }

  private static Handler byInterface(Class<?> type) throws Throwable {
    boolean stream = RequestStreamHandler.class.isAssignableFrom(type);
    if (!stream && !RequestHandler.class.isAssignableFrom(type)) return unfit("Class does not implement an appropriate handler interface: " + type.getName(), null);
    Object target;
    try {
      target = make(type);
    } catch (NoSuchMethodException error) {
      return unfit("Class " + type.getName() + " has no public zero-argument constructor", "java.lang.Exception");
    }
    if (stream) return (payload, context) -> {
      ByteArrayOutputStream answer = new ByteArrayOutputStream();
      ((RequestStreamHandler) target).handleRequest(new ByteArrayInputStream(payload), answer, context);
      return answer.toByteArray();
    };
    Type input = inputOf(type);
    if (input == null) return unfit("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters", null);
    @SuppressWarnings("unchecked") RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) target;
    return (payload, context) -> written(handler.handleRequest(read(payload, input), context));
  }

  /** The first type argument with which a class implements RequestHandler, its own or one of its parents'. */
  private static Type inputOf(Class<?> type) {
    Map<Type, Type> bound = new HashMap<>();
    Deque<Type> left = new ArrayDeque<>(List.of(type));
    while (!left.isEmpty()) {
      Type next = left.remove();
      Class<?> raw = (Class<?>) (next instanceof ParameterizedType ? ((ParameterizedType) next).getRawType() : next);
      if (next instanceof ParameterizedType) {
        Type[] values = ((ParameterizedType) next).getActualTypeArguments();
        for (int i = 0; i < values.length; i++) bound.put(raw.getTypeParameters()[i], bound.getOrDefault(values[i], values[i]));
        if (raw == RequestHandler.class) return bound.get(raw.getTypeParameters()[0]);
      }
      left.addAll(Arrays.asList(raw.getGenericInterfaces()));
      if (raw.getGenericSuperclass() != null) left.add(raw.getGenericSuperclass());
    }
    return null;
  }

  /** Longer forms come first, one with a context counting as longer still; bridges last. */
  private static Handler byMethod(Class<?> type, String name) throws Throwable {
    List<Method> found = new ArrayList<>();
    for (Method method : type.getMethods()) if (method.getName().equals(name) && slots(method) != null) found.add(method);
    if (found.isEmpty()) return unfit("No public method named " + name + " with appropriate method signature found on class " + type.getName(), null);
    found.sort(Comparator.comparing(Method::isBridge).thenComparing(method -> -slots(method).length() - (slots(method).contains("c") ? 1 : 0)));
    Method method = found.get(0);
    method.setAccessible(true);
    boolean fixed = Modifier.isStatic(method.getModifiers());
    Object target;
    try {
      target = fixed ? null : make(type);
    } catch (NoSuchMethodException error) {
      return unfit("Class " + type.getName() + " has no public zero-argument constructor", "java.lang.Exception");
    }
    String slots = slots(method);
    return (payload, context) -> {
      ByteArrayOutputStream answer = new ByteArrayOutputStream();
      Object[] values = new Object[slots.length()];
      for (int i = 0; i < values.length; i++) {
        char slot = slots.charAt(i);
        values[i] = slot == 'i' ? new ByteArrayInputStream(payload) : slot == 'o' ? answer : slot == 'c' ? context : read(payload, method.getGenericParameterTypes()[i]);
      }
      Object value;
      try {
        value = method.invoke(target, values);
      } catch (InvocationTargetException error) {
        throw Client.cause(error);
      }
      return slots.contains("i") || slots.contains("o") ? answer.toByteArray() : written(value);
    };
  }

  /** What a method takes, a letter each: input, output, context or a value; null when it is no form of a handler. */
  private static String slots(Method method) {
    StringBuilder all = new StringBuilder();
    for (Class<?> type : method.getParameterTypes()) all.append(type == InputStream.class ? 'i' : type == OutputStream.class ? 'o' : type == Context.class ? 'c' : 'v');
    return all.toString().matches("(i?o?|v?)c?") ? all.toString() : null;
  }

  private static Object read(byte[] payload, Type type) {
    try {
      return Binding.bind(Json.read(new String(payload, StandardCharsets.UTF_8)), type);
    } catch (InvocationTargetException error) {
      throw new RuntimeException("An error occurred during JSON parsing", Client.cause(error));
    } catch (ReflectiveOperationException | RuntimeException error) {
      throw new RuntimeException("An error occurred during JSON parsing", error);
    }
  }

  private static byte[] written(Object value) { return Json.write(value).getBytes(StandardCharsets.UTF_8); }
}
`;

/** Sources by path. */
export const javaClient: Readonly<Record<string, string>> = {
  'pilvi/Client.java': main,
  'pilvi/Invocation.java': invocation,
  'pilvi/Handler.java': handlers,
  ...javaJson,
  ...javaCore,
};
