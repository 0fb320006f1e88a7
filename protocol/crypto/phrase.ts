import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import type { Brand } from "../kernel/brand.ts";
import type { RandomSource } from "../kernel/random.ts";
import { err, ok, type Result } from "../kernel/result.ts";

/** 24 words of the English BIP-39 list with a valid checksum, separated by single spaces. */
export type Phrase = Brand<string, "Phrase">;

export type PhraseError =
  | { readonly type: "PhraseWordCount"; readonly count: number }
  /** `position` counts from 1, as the words are numbered on paper. */
  | { readonly type: "PhraseWordUnknown"; readonly position: number; readonly word: string }
  | { readonly type: "PhraseChecksum" };

/** A new phrase with 256 bits of entropy. */
export const createPhrase = (random: RandomSource): Phrase => entropyToMnemonic(random.bytes(32), wordlist) as Phrase;

/** Phrase as typed by a person: any case, any white space. */
export const parsePhrase = (typed: string): Result<Phrase, PhraseError> => {
  const words = typed
    .normalize("NFKD")
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== "");
  const unknown = words.findIndex((word) => !KNOWN.has(word));
  if (unknown >= 0) return err({ type: "PhraseWordUnknown", position: unknown + 1, word: words[unknown] ?? "" });
  if (words.length !== 24) return err({ type: "PhraseWordCount", count: words.length });
  const phrase = words.join(" ");
  return validateMnemonic(phrase, wordlist) ? ok(phrase as Phrase) : err({ type: "PhraseChecksum" });
};

/** The 64-byte BIP-39 seed (PBKDF2-HMAC-SHA-512, 2048 rounds, no passphrase). Takes some tens of milliseconds. */
export const phraseSeed = (phrase: Phrase): Uint8Array => mnemonicToSeedSync(phrase);

const KNOWN: ReadonlySet<string> = new Set(wordlist);
