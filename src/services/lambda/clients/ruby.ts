/**
 * The client of the Runtime API that runs handlers written for Ruby: a program of its own inside the sandbox, kept as text. Finds methods and words errors and log
 * lines as AWS's own client does ("Define Lambda function handler in Ruby"). HTTP is spoken by hand: the peer is always runtime-api.ts, and loading
 * net/http would add a third to a cold start.
 */
export const rubyClient = String.raw`
require 'json'
require 'socket'

$stdout.sync = true
$stderr.sync = true

class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name, :memory_limit_in_mb,
              :function_version, :identity, :client_context, :deadline_ms

  def initialize(headers)
    @aws_request_id = headers['lambda-runtime-aws-request-id']
    @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
    @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
    @identity = JSON.parse(headers['lambda-runtime-cognito-identity']) if headers['lambda-runtime-cognito-identity']
    @client_context = JSON.parse(headers['lambda-runtime-client-context']) if headers['lambda-runtime-client-context']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
  end

  def get_remaining_time_in_millis
    remaining = @deadline_ms - (Process.clock_gettime(Process::CLOCK_REALTIME) * 1000).to_i
    remaining.positive? ? remaining : 0
  end
end

module PilviRuntime
  BASE = '/2018-06-01/runtime'
  STANDARD = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError].freeze

  class Handler
    attr_reader :file

    def initialize(name)
      @file, *rest = name.to_s.split('.')
      @method = rest.pop
      @owner = rest.first
      return unless @method.nil? || rest.length > 1

      raise ArgumentError, "Invalid handler #{name}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a class-level method."
    end

    def call(event, context)
      @target ||= @owner.nil? ? TOPLEVEL_BINDING.receiver : Kernel.const_get(@owner)
      @target.send(@method, event: event, context: context)
    end
  end

  class << self
    def request(verb, path, headers = {}, body = nil)
      head = +"#{verb} #{BASE}#{path} HTTP/1.1\r\nHost: #{@peer}\r\n"
      headers.each { |name, value| head << "#{name}: #{value}\r\n" }
      head << "Content-Length: #{body.bytesize}\r\n" unless body.nil?
      connection.write(head << "\r\n")
      connection.write(body) unless body.nil?
      read_answer
    end

    def run
      @peer = ENV['AWS_LAMBDA_RUNTIME_API']
      root = ENV['LAMBDA_TASK_ROOT']
      $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
      begin
        handler = Handler.new(ENV['_HANDLER'])
        require handler.file
      rescue Exception => e
        fail_with('/init/error', e, 'Init', "Init error when loading handler #{ENV['_HANDLER']}")
        exit!(252)
      end
      loop { serve(handler) }
    end

    private

    def connection
      @connection ||= begin
        host, port = @peer.split(':')
        TCPSocket.new(host, port.to_i).tap { |socket| socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1) }
      end
    end

    def read_answer
      exit!(1) if connection.gets("\r\n").nil?
      headers = {}
      while (line = connection.gets("\r\n")) && line != "\r\n"
        name, value = line.chomp("\r\n").split(': ', 2)
        headers[name.downcase] = value
      end
      [headers, connection.read(headers['content-length'].to_i)]
    end

    def serve(handler)
      headers, payload = request('GET', '/invocation/next')
      id = headers['lambda-runtime-aws-request-id']
      ENV['_X_AMZN_TRACE_ID'] = headers['lambda-runtime-trace-id'] if headers['lambda-runtime-trace-id']
      begin
        event = JSON.parse(payload)
        answer, type = answer_of(handler.call(event, LambdaContext.new(headers)))
        request('POST', "/invocation/#{id}/response", { 'Content-Type' => type }, answer)
      rescue NoMethodError, SignalException, SystemExit, ScriptError, NoMemoryError, SystemStackError, SecurityError => e
        fail_with("/invocation/#{id}/error", e, 'Function', 'Critical exception from handler')
        # A method that is missing is a fault of the code; what else is critical ends the process.
        exit!(255) unless e.is_a?(NoMethodError)
      rescue Exception => e
        fail_with("/invocation/#{id}/error", e, 'Function', 'Error raised from handler method')
      end
    end

    def answer_of(value)
      return [value.read, 'application/unknown'] if value.respond_to?(:read)

      [value.nil? ? 'null' : JSON.generate(value), 'application/json']
    end

    def fail_with(path, error, where, said)
      type = "#{where}<#{error.class}>"
      trace = (error.backtrace || []).first(100).take_while { |line| !line.start_with?('/var/runtime/') }
      told = { errorMessage: error.message, errorType: type, stackTrace: trace }
      $stderr.write(said + "\r" + JSON.pretty_generate(told).gsub("\n", "\r") + "\n")
      kind = STANDARD.include?(error.class.to_s) ? type : 'Function<UserException>'
      request('POST', path, { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => kind }, JSON.generate(told))
    end
  end
end

PilviRuntime.run
`;
