/** Outcome of an operation that can fail in ways the caller must handle (style: errors that can happen are values). */
export type Result<T, E> = Ok<T> | Err<E>;
export interface Ok<T> {
  readonly ok: true;
  readonly value: T;
}
export interface Err<E> {
  readonly ok: false;
  readonly error: E;
}

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });
export const err = <E>(error: E): Err<E> => ({ ok: false, error });

/** What every strict decoder returns for bytes it refuses: the rule that was broken and the offset where. */
export interface DecodeError {
  readonly type: "DecodeError";
  readonly rule: string;
  readonly at: number;
}
export const decodeError = (rule: string, at = 0): Err<DecodeError> => err({ type: "DecodeError", rule, at });
