interface PassphraseStrength {
  /** 0 to 4. */
  readonly level: number;
  readonly hint: string;
}

const poolOf = (text: string): number =>
  (/[a-z]/u.test(text) ? 26 : 0) +
  (/[A-Z]/u.test(text) ? 26 : 0) +
  (/\d/u.test(text) ? 10 : 0) +
  (/[^a-zA-Z\d]/u.test(text) ? 33 : 0);

/** Words of a passphrase carry about 11 bits each when picked from a common list, far less than their letters suggest. */
const BITS_PER_WORD = 11;

/** A rough upper bound in bits: by characters, or by words when there are several. Not a promise, a hint. */
const estimateBits = (passphrase: string): number => {
  const distinct = new Set(passphrase).size;
  const byCharacters = Math.min(passphrase.length, distinct * 2) * Math.log2(Math.max(2, poolOf(passphrase)));
  const words = passphrase.split(/[\s\-_.]+/u).filter((word) => word.length > 2);
  return words.length >= 3 ? Math.min(byCharacters, new Set(words).size * BITS_PER_WORD) : byCharacters * 0.7;
};

/** Above 60 bits an offline guess at a memory-hard hash is out of reach of a person's budget. */
export const passphraseStrength = (passphrase: string): PassphraseStrength => {
  if (passphrase === "") return { level: 0, hint: "Five or more random words are easy to type and hard to guess." };
  const bits = estimateBits(passphrase);
  if (bits < 28) return { level: 1, hint: "Very easy to guess. Add more words." };
  if (bits < 42) return { level: 2, hint: "Weak. Another word or two would help a lot." };
  if (bits < 58) return { level: 3, hint: "Good." };
  return { level: 4, hint: "Strong." };
};
