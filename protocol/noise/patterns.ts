import { err, ok, type Result } from "../kernel/result.ts";
import type { NoiseError } from "./errors.ts";

export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";
/** Alice sends the first message of the unmodified pattern; the letters of `es` and `se` mean her key, then Bob's. */
export type Party = "alice" | "bob";

export interface MessagePattern {
  readonly from: Party;
  readonly tokens: readonly Token[];
  /** Whether the payload after the tokens is encrypted. */
  readonly payloadIsEncrypted: boolean;
}

export interface HandshakePattern {
  readonly alicePreMessage: readonly Token[];
  readonly bobPreMessage: readonly Token[];
  readonly messages: readonly MessagePattern[];
  readonly usesPsk: boolean;
  /** Bob speaks first and is the Noise initiator (section 10.2). */
  readonly isFallback: boolean;
  readonly isOneWay: boolean;
}

/** Sections 7.4, 7.5 and appendix 18.1: pre-messages `>s` (Alice's static), `<s` (Bob's), then messages, Alice's first. */
const table: Readonly<Record<string, string>> = {
  N: "<s | e,es",
  K: ">s <s | e,es,ss",
  X: "<s | e,es,s,ss",
  NN: "| e / e,ee",
  NK: "<s | e,es / e,ee",
  NX: "| e / e,ee,s,es",
  XN: "| e / e,ee / s,se",
  XK: "<s | e,es / e,ee / s,se",
  XX: "| e / e,ee,s,es / s,se",
  KN: ">s | e / e,ee,se",
  KK: ">s <s | e,es,ss / e,ee,se",
  KX: ">s | e / e,ee,se,s,es",
  IN: "| e,s / e,ee,se",
  IK: "<s | e,es,s,ss / e,ee,se",
  IX: "| e,s / e,ee,se,s,es",
  NK1: "<s | e / e,ee,es",
  NX1: "| e / e,ee,s / es",
  X1N: "| e / e,ee / s / se",
  X1K: "<s | e,es / e,ee / s / se",
  XK1: "<s | e / e,ee,es / s,se",
  X1K1: "<s | e / e,ee,es / s / se",
  X1X: "| e / e,ee,s,es / s / se",
  XX1: "| e / e,ee,s / es,s,se",
  X1X1: "| e / e,ee,s / es,s / se",
  K1N: ">s | e / e,ee / se",
  K1K: ">s <s | e,es / e,ee / se",
  KK1: ">s <s | e / e,ee,se,es",
  K1K1: ">s <s | e / e,ee,es / se",
  K1X: ">s | e / e,ee,s,es / se",
  KX1: ">s | e / e,ee,se,s / es",
  K1X1: ">s | e / e,ee,s / se,es",
  I1N: "| e,s / e,ee / se",
  I1K: "<s | e,es,s / e,ee / se",
  IK1: "<s | e,s / e,ee,se,es",
  I1K1: "<s | e,s / e,ee,es / se",
  I1X: "| e,s / e,ee,s,es / se",
  IX1: "| e,s / e,ee,se,s / es",
  I1X1: "| e,s / e,ee,s / se,es",
};

/** Every base pattern this implementation knows. */
export const basePatterns: readonly string[] = Object.keys(table);

interface Draft {
  readonly alicePreMessage: readonly Token[];
  readonly bobPreMessage: readonly Token[];
  readonly messages: readonly (readonly Token[])[];
  readonly isFallback: boolean;
}

const refuse = (rule: string): Result<never, NoiseError> => err({ type: "BadPattern", rule });

const draftOf = (notation: string): Draft => {
  const [before = "", after = ""] = notation.split("|");
  return {
    alicePreMessage: before.includes(">s") ? ["s"] : [],
    bobPreMessage: before.includes("<s") ? ["s"] : [],
    messages: after.split("/").map((message) => message.trim().split(",") as Token[]),
    isFallback: false,
  };
};

/** Section 10.2: Alice's first message, if it could be a pre-message, becomes one and Bob begins. */
const withFallback = (draft: Draft): Result<Draft, NoiseError> => {
  const [first, ...messages] = draft.messages;
  const preMessage = [...draft.alicePreMessage, ...(first ?? [])];
  const isPreMessage = ["e", "s", "e,s"].includes(preMessage.join(","));
  if (!isPreMessage || messages.length === 0) return refuse("fallback needs a first message that can be a pre-message");
  return ok({ ...draft, alicePreMessage: preMessage, messages, isFallback: true });
};

/** Section 9.4: psk0 is the first token of message 1, pskN the last of message N. */
const withPsk = (draft: Draft, position: number): Result<Draft, NoiseError> => {
  if (position > draft.messages.length) return refuse("psk position beyond the last message");
  const messages = draft.messages.map((tokens, i): readonly Token[] => {
    if (position === 0 && i === 0) return ["psk", ...tokens];
    return position === i + 1 ? [...tokens, "psk"] : tokens;
  });
  return ok({ ...draft, messages });
};

const completed = (draft: Draft): HandshakePattern => {
  const usesPsk = draft.messages.some((tokens) => tokens.includes("psk"));
  const setsKey = (token: Token): boolean => token.length > 1 || (token === "e" && usesPsk);
  let hasKey = [...draft.alicePreMessage, ...draft.bobPreMessage].some(setsKey);
  const messages = draft.messages.map((tokens, i): MessagePattern => {
    hasKey ||= tokens.some(setsKey);
    return { from: (i % 2 === 0) === draft.isFallback ? "bob" : "alice", tokens, payloadIsEncrypted: hasKey };
  });
  const { alicePreMessage, bobPreMessage, isFallback } = draft;
  return {
    alicePreMessage,
    bobPreMessage,
    messages,
    usesPsk,
    isFallback,
    isOneWay: messages.length === 1 && !isFallback,
  };
};

/** After a DH with one's static key, a party may encrypt only once a DH with its ephemeral key has randomised the result. */
const needsEphemeral: readonly (readonly [Party, Token, Token])[] = [
  ["alice", "se", "ee"],
  ["alice", "ss", "es"],
  ["bob", "es", "ee"],
  ["bob", "ss", "se"],
];

/** The first validity rule of sections 7.3 and 9.3 that `pattern` breaks. */
export const brokenValidityRule = (pattern: HandshakePattern): string | undefined => {
  const has = { alice: new Set(pattern.alicePreMessage), bob: new Set(pattern.bobPreMessage) };
  const mixed = new Set<Token>();
  const encryptionFault = (from: Party): string | undefined => {
    for (const [party, dhToken, needed] of needsEphemeral)
      if (party === from && mixed.has(dhToken) && !mixed.has(needed))
        return `${from} encrypts after ${dhToken} without ${needed}`;
    return mixed.has("psk") && !has[from].has("e") ? `${from} encrypts after psk without an e` : undefined;
  };
  for (const { from, tokens } of pattern.messages) {
    for (const token of tokens) {
      if (token === "s" && encryptionFault(from) !== undefined) return encryptionFault(from);
      if (token === "psk") {
        mixed.add(token);
      } else if (token === "e" || token === "s") {
        if (has[from].has(token)) return `${from} sends ${token} twice`;
        has[from].add(token);
      } else {
        if (mixed.has(token)) return `${token} occurs twice`;
        const [aliceKey, bobKey] = token === "ee" ? ["e", "e"] : token === "ss" ? ["s", "s"] : token.split("");
        if (!has.alice.has(aliceKey as Token) || !has.bob.has(bobKey as Token))
          return `${token} before its keys are known`;
        mixed.add(token);
      }
    }
    const fault = encryptionFault(from);
    if (fault !== undefined) return fault;
  }
  return undefined;
};

/** The pattern of a base name with its modifiers applied in order; refused when unknown or insecure. */
export const buildPattern = (base: string, modifiers: readonly string[]): Result<HandshakePattern, NoiseError> => {
  const notation = Object.hasOwn(table, base) ? table[base] : undefined;
  if (notation === undefined) return refuse("unknown base pattern");
  let draft = draftOf(notation);
  for (const modifier of modifiers) {
    const next = modifier === "fallback" ? withFallback(draft) : withPsk(draft, Number(modifier.slice(3)));
    if (!next.ok) return next;
    draft = next.value;
  }
  const pattern = completed(draft);
  const broken = brokenValidityRule(pattern);
  return broken === undefined ? ok(pattern) : refuse(broken);
};
