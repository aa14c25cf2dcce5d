/**
 * The interfaces that handlers written for Java are programmed against (package `com.amazonaws.services.lambda.runtime`), as far as a client needs them, in
 * our own words: for functions that bring none. They come last on the class path, so a function's own aws-lambda-java-core is taken before them.
 */
const place = 'com/amazonaws/services/lambda/runtime';
const inPackage = (body: string): string => `package com.amazonaws.services.lambda.runtime;\n${body}`;

const types: Readonly<Record<string, string>> = {
  RequestHandler: 'public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }',
  RequestStreamHandler: `import java.io.*;
public interface RequestStreamHandler { void handleRequest(InputStream input, OutputStream output, Context context) throws IOException; }`,
  LambdaLogger: `public interface LambdaLogger {
  void log(String message);
  void log(byte[] message);
  default void log(String message, com.amazonaws.services.lambda.runtime.logging.LogLevel level) { log(message); }
  default void log(byte[] message, com.amazonaws.services.lambda.runtime.logging.LogLevel level) { log(message); }
}`,
  Client: `public interface Client {
  String getInstallationId(); String getAppTitle(); String getAppVersionName(); String getAppVersionCode(); String getAppPackageName();
}`,
  ClientContext: `import java.util.Map;
public interface ClientContext { Client getClient(); Map<String, String> getCustom(); Map<String, String> getEnvironment(); }`,
  CognitoIdentity: 'public interface CognitoIdentity { String getIdentityId(); String getIdentityPoolId(); }',
  Context: `public interface Context {
  String getAwsRequestId(); String getLogGroupName(); String getLogStreamName(); String getFunctionName(); String getFunctionVersion();
  String getInvokedFunctionArn(); CognitoIdentity getIdentity(); ClientContext getClientContext();
  int getRemainingTimeInMillis(); int getMemoryLimitInMB(); LambdaLogger getLogger();
  default String getTenantId() { return null; }
}`,
  LambdaRuntime: `public class LambdaRuntime {
  private static volatile LambdaLogger logger = new LambdaLogger() {
    public void log(String message) { System.out.print(message); }
    public void log(byte[] message) { System.out.write(message, 0, message.length); }
  };
  public static LambdaLogger getLogger() { return logger; }
}`,
};

export const javaCore: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(types).map(([name, body]) => [`${place}/${name}.java`, inPackage(body)])),
  [`${place}/logging/LogLevel.java`]:
    'package com.amazonaws.services.lambda.runtime.logging;\npublic enum LogLevel { UNDEFINED, TRACE, DEBUG, INFO, WARN, ERROR, FATAL }',
};
