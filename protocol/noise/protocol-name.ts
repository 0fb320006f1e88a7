import type { AeadName, HashName } from "../crypto/provider.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { NoiseError } from "./errors.ts";

/** A parsed name such as `Noise_XXfallback+psk0_25519_AESGCM_SHA256`. */
export interface ProtocolName {
  readonly name: string;
  readonly base: string;
  /** In the order of the name, for instance `["fallback", "psk0"]`. */
  readonly modifiers: readonly string[];
  readonly cipher: AeadName;
  readonly hash: HashName;
}

/** Section 8: a protocol name has at most 255 bytes. */
const maxNameLength = 255;

const isCipher = (text: string): text is AeadName => text === "ChaChaPoly" || text === "AESGCM";
const isHash = (text: string): text is HashName =>
  text === "SHA256" || text === "SHA512" || text === "BLAKE2s" || text === "BLAKE2b";

const refuse = (rule: string): Result<never, NoiseError> => err({ type: "BadProtocolName", rule });

const increases = (numbers: readonly number[]): boolean =>
  numbers.every((value, i) => i === 0 || (numbers[i - 1] as number) < value);

/** Parses and checks a protocol name of section 8; the only DH function supported is 25519. */
export const parseProtocolName = (name: string): Result<ProtocolName, NoiseError> => {
  if (name.length > maxNameLength) return refuse("at most 255 bytes");
  const sections = name.split("_");
  const [noise, pattern, dh, cipher, hash] = sections;
  if (sections.length !== 5 || noise !== "Noise" || pattern === undefined) return refuse("five sections");
  if (dh !== "25519") return refuse("DH is 25519");
  if (cipher === undefined || !isCipher(cipher)) return refuse("cipher is ChaChaPoly or AESGCM");
  if (hash === undefined || !isHash(hash)) return refuse("hash is SHA256, SHA512, BLAKE2s or BLAKE2b");
  const match = /^([A-Z][A-Z0-9]*)((?:[a-z][a-z0-9]*)(?:\+[a-z][a-z0-9]*)*)?$/.exec(pattern);
  const base = match?.[1];
  if (base === undefined) return refuse("pattern is a base and modifiers");
  const modifiers = match?.[2]?.split("+") ?? [];
  const pskPositions: number[] = [];
  for (const [i, modifier] of modifiers.entries()) {
    const position = /^psk([0-9])$/.exec(modifier)?.[1];
    if (position !== undefined) pskPositions.push(Number(position));
    else if (modifier !== "fallback" || i > 0)
      return refuse("modifiers are fallback, once and first, and psk0 to psk9");
  }
  if (!increases(pskPositions)) return refuse("psk modifiers are sorted and distinct");
  return ok({ name, base, modifiers, cipher, hash });
};
