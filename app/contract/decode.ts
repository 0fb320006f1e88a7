import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

/** Why an input was refused: where in it (dotted path) and what was expected there. */
export interface InputError {
  readonly path: string;
  readonly expected: string;
}

/** Turns a foreign value into a `T` that cannot be wrong; total, never throws. */
export type Decoder<T> = (value: unknown, path?: string) => Result<T, InputError>;

const refuse = (path: string, expected: string) => err({ path, expected });

/** Text of `min` to `max` UTF-16 code units, without lone surrogates. */
export const text =
  (min: number, max: number): Decoder<string> =>
  (value, path = "") =>
    typeof value === "string" && value.length >= min && value.length <= max && value.isWellFormed()
      ? ok(value)
      : refuse(path, `text of ${min} to ${max} characters`);

/** Lower-case hex of exactly `byteCount` bytes: how ids cross the contract. */
export const hexOf =
  (byteCount: number): Decoder<string> =>
  (value, path = "") =>
    typeof value === "string" && value.length === 2 * byteCount && /^[0-9a-f]*$/.test(value)
      ? ok(value)
      : refuse(path, `${2 * byteCount} lower-case hex digits`);

export const integer =
  (min: number, max: number): Decoder<number> =>
  (value, path = "") =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? ok(value as number)
      : refuse(path, `whole number from ${min} to ${max}`);

export const bytes =
  (max: number): Decoder<Uint8Array> =>
  (value, path = "") =>
    value instanceof Uint8Array && value.length <= max ? ok(value) : refuse(path, `at most ${max} bytes`);

export const boolean: Decoder<boolean> = (value, path = "") =>
  typeof value === "boolean" ? ok(value) : refuse(path, "true or false");

export const oneOf =
  <const T extends string>(...options: readonly T[]): Decoder<T> =>
  (value, path = "") =>
    options.includes(value as T) ? ok(value as T) : refuse(path, options.map((option) => `"${option}"`).join(" or "));

export const array =
  <T>(item: Decoder<T>, max: number): Decoder<readonly T[]> =>
  (value, path = "") => {
    if (!Array.isArray(value) || value.length > max) return refuse(path, `list of at most ${max}`);
    const out: T[] = [];
    for (const [index, element] of value.entries()) {
      const decoded = item(element, `${path}[${index}]`);
      if (!decoded.ok) return decoded;
      out.push(decoded.value);
    }
    return ok(out);
  };

/** Marks a field that may be left out. */
export interface OptionalDecoder<T> {
  readonly optional: Decoder<T>;
}
export const optional = <T>(decoder: Decoder<T>): OptionalDecoder<T> => ({ optional: decoder });

type Fields = Readonly<Record<string, Decoder<unknown> | OptionalDecoder<unknown>>>;
type ObjectOf<F extends Fields> = {
  readonly [K in keyof F as F[K] extends OptionalDecoder<unknown> ? never : K]: F[K] extends Decoder<infer T>
    ? T
    : never;
} & {
  readonly [K in keyof F as F[K] extends OptionalDecoder<unknown> ? K : never]?: F[K] extends OptionalDecoder<infer T>
    ? T
    : never;
};

/** Object with exactly these fields; an unknown field is refused, so that a misspelt option is not silently ignored. */
export const object =
  <F extends Fields>(fields: F): Decoder<ObjectOf<F>> =>
  (value, path = "") => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse(path, "object");
    const source = value as Record<string, unknown>;
    for (const key of Object.keys(source))
      if (!Object.hasOwn(fields, key))
        return refuse(path === "" ? key : `${path}.${key}`, `one of: ${Object.keys(fields).join(", ") || "no fields"}`);
    const out: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      const at = path === "" ? key : `${path}.${key}`;
      const given = source[key];
      if (typeof field === "function") {
        const decoded = field(given, at);
        if (!decoded.ok) return decoded;
        out[key] = decoded.value;
      } else if (given !== undefined) {
        const decoded = field.optional(given, at);
        if (!decoded.ok) return decoded;
        out[key] = decoded.value;
      }
    }
    return ok(out as ObjectOf<F>);
  };

/** No input: `undefined`, `null` or an empty object. */
export const nothing: Decoder<undefined> = (value, path = "") =>
  value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0)
    ? ok(undefined)
    : refuse(path, "nothing");
