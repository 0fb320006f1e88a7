import type { OpenedWire } from "../repositories/integrate.ts";

/** Wires of one repository topic and what opens them. */
export interface OpenRequest {
  readonly topic: { readonly pk: Uint8Array; readonly readKey: Uint8Array; readonly rid: Uint8Array };
  readonly wires: readonly Uint8Array[];
}

/**
 * Verifies and decrypts many items beside the thread that asks.
 * P-OPENER-1 Answers are those of `openWire`, one for each wire in order, and come in the order of the questions.
 * P-OPENER-2 `undefined` when it was stopped or died; nothing was decided about the wires.
 */
export interface ItemOpener {
  /** Whether `open` would begin at once. */
  readonly isReady: () => boolean;
  /** Starts what opens items; `ready` is called once when it is ready, unless somebody waits for that already. */
  readonly prepare: (ready: () => void) => void;
  readonly open: (request: OpenRequest) => Promise<readonly OpenedWire[] | undefined>;
  readonly stop: () => Promise<void>;
}
