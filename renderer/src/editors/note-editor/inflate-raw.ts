/** Lengths of codes 257 to 285 and their extra bits (RFC 1951, 3.2.5). */
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** Order in which the lengths of the code length codes come (RFC 1951, 3.2.7). */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MAX_CODE_BITS = 15;
const END_OF_BLOCK = 256;

/** Canonical Huffman code: how many codes of each length, and the symbols in order of their codes. */
interface HuffmanCode {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

const huffmanCode = (lengths: readonly number[]): HuffmanCode => {
  const counts = new Uint16Array(MAX_CODE_BITS + 1);
  for (const length of lengths) counts[length] = (counts[length] as number) + 1;
  counts[0] = 0;
  const offsets = new Uint16Array(MAX_CODE_BITS + 2);
  for (let bits = 1; bits <= MAX_CODE_BITS; bits++)
    offsets[bits + 1] = (offsets[bits] as number) + (counts[bits] as number);
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    const at = offsets[length] as number;
    symbols[at] = symbol;
    offsets[length] = at + 1;
  });
  return { counts, symbols };
};

const fill = (count: number, length: number): number[] => Array.from({ length: count }, () => length);
const FIXED_LITERALS = huffmanCode([...fill(144, 8), ...fill(112, 9), ...fill(24, 7), ...fill(8, 8)]);
const FIXED_DISTANCES = huffmanCode(fill(30, 5));

/**
 * Raw DEFLATE (RFC 1951) without waiting, which the browser's own decompression does not offer; `undefined` when the
 * input is malformed, ends early, goes on behind its end or would give more than `maxOutput` bytes.
 */
export const inflateRaw = (input: Uint8Array, maxOutput: number): Uint8Array | undefined => {
  let output = new Uint8Array(Math.min(maxOutput, Math.max(64, input.length * 4)));
  let written = 0;
  let at = 0;
  let bitBuffer = 0;
  let bitCount = 0;

  /** -1 at the end of the input. */
  const bits = (count: number): number => {
    while (bitCount < count) {
      if (at >= input.length) return -1;
      bitBuffer |= (input[at++] as number) << bitCount;
      bitCount += 8;
    }
    const value = bitBuffer & ((1 << count) - 1);
    bitBuffer >>>= count;
    bitCount -= count;
    return value;
  };
  const symbol = ({ counts, symbols }: HuffmanCode): number => {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      const bit = bits(1);
      if (bit < 0) return -1;
      code |= bit;
      const count = counts[length] as number;
      if (code - count < first) return symbols[index + code - first] ?? -1;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  };
  const reserve = (count: number): boolean => {
    if (written + count > maxOutput) return false;
    if (written + count > output.length) {
      const grown = new Uint8Array(Math.min(maxOutput, Math.max(output.length * 2, written + count)));
      grown.set(output);
      output = grown;
    }
    return true;
  };

  const stored = (): boolean => {
    bitBuffer = 0;
    bitCount = 0;
    if (at + 4 > input.length) return false;
    const length = (input[at] as number) | ((input[at + 1] as number) << 8);
    const check = (input[at + 2] as number) | ((input[at + 3] as number) << 8);
    at += 4;
    if (length !== (~check & 0xffff) || at + length > input.length || !reserve(length)) return false;
    output.set(input.subarray(at, at + length), written);
    at += length;
    written += length;
    return true;
  };

  const compressed = (literals: HuffmanCode, distances: HuffmanCode): boolean => {
    for (;;) {
      const literal = symbol(literals);
      if (literal < 0) return false;
      if (literal === END_OF_BLOCK) return true;
      if (literal < END_OF_BLOCK) {
        if (!reserve(1)) return false;
        output[written++] = literal;
        continue;
      }
      const lengthExtra = bits(LENGTH_EXTRA[literal - 257] ?? 0);
      const distanceSymbol = literal > 285 ? -1 : symbol(distances);
      const distanceExtra =
        distanceSymbol < 0 || distanceSymbol > 29 ? -1 : bits(DISTANCE_EXTRA[distanceSymbol] as number);
      if (lengthExtra < 0 || distanceExtra < 0) return false;
      const length = (LENGTH_BASE[literal - 257] as number) + lengthExtra;
      const distance = (DISTANCE_BASE[distanceSymbol] as number) + distanceExtra;
      if (distance > written || !reserve(length)) return false;
      for (let i = 0; i < length; i++, written++) output[written] = output[written - distance] as number;
    }
  };

  const dynamicCodes = (): readonly [HuffmanCode, HuffmanCode] | undefined => {
    const literalCount = bits(5) + 257;
    const distanceCount = bits(5) + 1;
    const codeCount = bits(4) + 4;
    if (literalCount < 257 || literalCount > 286 || distanceCount < 1 || distanceCount > 30 || codeCount < 4)
      return undefined;
    const codeLengths = fill(19, 0);
    for (let i = 0; i < codeCount; i++) {
      const length = bits(3);
      if (length < 0) return undefined;
      codeLengths[CODE_LENGTH_ORDER[i] as number] = length;
    }
    const lengthCode = huffmanCode(codeLengths);
    const lengths: number[] = [];
    while (lengths.length < literalCount + distanceCount) {
      const value = symbol(lengthCode);
      if (value < 0) return undefined;
      if (value < 16) {
        lengths.push(value);
        continue;
      }
      const previous = value === 16 ? lengths.at(-1) : 0;
      const extra = bits(value === 16 ? 2 : value === 17 ? 3 : 7);
      if (previous === undefined || extra < 0) return undefined;
      lengths.push(...fill(extra + (value === 18 ? 11 : 3), previous));
    }
    if (lengths.length > literalCount + distanceCount || lengths[END_OF_BLOCK] === 0) return undefined;
    return [huffmanCode(lengths.slice(0, literalCount)), huffmanCode(lengths.slice(literalCount))];
  };

  for (let last = 0; last === 0;) {
    last = bits(1);
    const type = bits(2);
    if (last < 0 || type < 0 || type === 3) return undefined;
    if (type === 0) {
      if (!stored()) return undefined;
      continue;
    }
    const codes = type === 1 ? ([FIXED_LITERALS, FIXED_DISTANCES] as const) : dynamicCodes();
    if (codes === undefined || !compressed(...codes)) return undefined;
  }
  return at === input.length ? output.subarray(0, written) : undefined;
};
