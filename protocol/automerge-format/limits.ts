/** Bounds on foreign Automerge bytes; every count is checked before anything of that size is allocated. */
export interface FormatLimits {
  /** Bytes of one chunk or column after inflating. */
  readonly inflatedBytes: number;
  readonly opsPerChange: number;
  /** Operations in all chunks of one call of `preflight`. */
  readonly opsPerCall: number;
  /** Column cells, group members and changes together, in one call. */
  readonly cells: number;
  /** Bytes of strings and values after run-length expansion, in one call. */
  readonly valueBytes: number;
  readonly dependencies: number;
  readonly actors: number;
  readonly actorBytes: number;
  readonly messageBytes: number;
  readonly chunks: number;
  /** Operations of a document chunk: at most `documentOps`, and at most `documentOpsBase + documentOpsPerByte * bytes`. */
  readonly documentOps: number;
  readonly documentOpsBase: number;
  readonly documentOpsPerByte: number;
}

/**
 * Honest changes stay far below: natural text costs about one byte an operation, a change holds one edit.
 * The figures are those of the data design (hostile input), chosen so that 1 KiB of input cannot cost more than
 * 50 ms or 20 MB before it is refused.
 */
export const FORMAT_LIMITS: FormatLimits = {
  inflatedBytes: 16 << 20,
  opsPerChange: 65_536,
  opsPerCall: 131_072,
  cells: 2_000_000,
  valueBytes: 32 << 20,
  dependencies: 64,
  actors: 512,
  actorBytes: 64,
  messageBytes: 4096,
  chunks: 4096,
  documentOps: 2_000_000,
  documentOpsBase: 100_000,
  documentOpsPerByte: 64,
};
