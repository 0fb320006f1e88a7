import { readFileSync } from "node:fs";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";

interface PrivacyVectors {
  readonly elements: Readonly<Record<string, string>>;
  readonly bloom: {
    readonly ctx: string;
    readonly cases: readonly {
      readonly label: string;
      readonly m: number;
      readonly k: number;
      readonly indices: readonly number[];
    }[];
  };
  readonly params: readonly {
    readonly N: number;
    readonly k: number;
    readonly m: number;
    readonly bytes: number;
    readonly fpr: number;
    readonly maxPop: number;
  }[];
  readonly blip: {
    readonly noiseKey: string;
    readonly rho: number;
    readonly m: number;
    readonly k: number;
    readonly labels: string;
    readonly plain: string;
    readonly cases: readonly {
      readonly eps: number;
      readonly slot: number;
      readonly T32: number;
      readonly published: string;
    }[];
  };
  readonly pT: readonly { readonly eps: number; readonly k: number; readonly p: number; readonly T32: number }[];
  readonly bfpsi: {
    readonly handshakeHash: string;
    readonly initiatorStatic: string;
    readonly responderStatic: string;
    readonly salt: string;
    readonly setI: readonly string[];
    readonly setR: readonly string[];
    readonly pads: readonly string[];
    readonly N: number;
    readonly m: number;
    readonly k: number;
    readonly bloom: string;
    readonly ckey: string;
    readonly rrand: string;
    readonly irand: string;
    readonly candidates: readonly string[];
    readonly cset: readonly string[];
    readonly rkey: string;
    readonly rset: readonly string[];
    readonly intersection: readonly string[];
  };
  readonly voprf: {
    readonly seed: string;
    readonly info: string;
    readonly sk: string;
    readonly pk: string;
    readonly outputs: Readonly<Record<string, { readonly F: string; readonly tagR: string; readonly tagI: string }>>;
  };
  readonly urps: readonly {
    readonly k: number;
    readonly s: number;
    readonly eta: number;
    readonly L: number;
    readonly E: number | null;
  }[];
}

/** The project's own vectors; see data/privacy/README.md. */
export const privacyVectors = JSON.parse(
  readFileSync(new URL("data/privacy/privacy-vectors.json", import.meta.url), "utf8"),
) as PrivacyVectors;

export const fromHex = (hex: string): Uint8Array => {
  const bytes = hexToBytes(hex);
  if (bytes === undefined) throw new Error(`not hex: ${hex}`);
  return bytes;
};

export const element = (label: string): Uint8Array => fromHex(privacyVectors.elements[label] ?? "not a label");
