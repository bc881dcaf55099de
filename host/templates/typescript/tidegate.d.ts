// The types of Tidegate's contract, `wit/`.

/** One MQTT message. */
export interface Message {
  topic: string;
  payload: Uint8Array;
  /** When Tidegate received it: milliseconds since 1970. */
  receivedMs: bigint;
  /** 0, 1 or 2. */
  qos: number;
  /** The broker kept this message and sent it at subscription. */
  retain: boolean;
}

/** One Kafka header. */
export interface Header {
  name: string;
  value: Uint8Array;
}

/** One Kafka record to produce; what is left out is as the rule says, a payload left out is a tombstone. */
export interface Output {
  topic?: string;
  key?: Uint8Array;
  payload?: Uint8Array;
  headers: Header[];
  timestampMs?: bigint;
}

/** What became of one message. */
export type Outcome =
  | { tag: "pass" }
  | { tag: "drop" }
  | { tag: "replace"; val: Uint8Array }
  | { tag: "emit"; val: Output[] }
  | { tag: "fail"; val: string };

/** What a plugin exports under the name `transform`. */
export interface Transform {
  /** Once, before any message. `config` is the rule's `config` as JSON, or empty. Throw a text to refuse it. */
  init(config: string): void;
  /** One outcome for each message, in order. */
  process(batch: Message[]): Outcome[];
}

declare module "tidegate:plugin/log@0.1.0" {
  export function write(level: "trace" | "debug" | "info" | "warn" | "error", message: string): void;
}

declare module "tidegate:plugin/properties@0.1.0" {
  export function contentType(index: number): string | undefined;
  export function responseTopic(index: number): string | undefined;
  export function correlationData(index: number): Uint8Array | undefined;
  export function userProperties(index: number): [string, string][];
  export function messageExpiry(index: number): number | undefined;
}
