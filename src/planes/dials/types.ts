/** Connections that begin inside a network, at a machine's device, and end in this process: how the platform calls into networks as a holder of a port. */
import type { Socket } from 'node:net';

export interface DialTarget {
  address: string;
  port: number;
  /** Real milliseconds within which the connection stands. */
  timeoutMillis: number;
}

export interface Dials {
  /** Why nothing can be reached, or undefined. */
  readonly unavailable: string | undefined;
  /**
   * Opens a TCP connection from the machine's device, by its routes and under its rules. The machine must be in an applied network and hold the device for
   * nobody else. Rejects with CommandFailed when the connection does not come about.
   */
  connect(machine: string, target: DialTarget): Promise<Socket>;
  /** Ends what serves the machine; connections that stand go on. */
  forget(machine: string): Promise<void>;
  close(): Promise<void>;
}
