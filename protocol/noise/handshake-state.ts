import { keyBytes, tagBytes } from "../crypto/sizes.ts";
import type { CryptoProvider, DhKeyPair } from "../crypto/provider.ts";
import { wipe } from "../crypto/wipe.ts";
import { concatBytes } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { CipherState } from "./cipher-state.ts";
import type { NoiseError } from "./errors.ts";
import { buildPattern, type HandshakePattern, type Party, type Token } from "./patterns.ts";
import { parseProtocolName } from "./protocol-name.ts";
import { createSymmetricState, type SymmetricState } from "./symmetric-state.ts";

/** Section 3: every Noise message has at most 65535 bytes. */
export const maxNoiseMessageBytes = 65535;

export interface HandshakeDeps {
  readonly crypto: CryptoProvider;
  /** A fresh ephemeral key pair; called once for each `e` sent. */
  readonly generateKeyPair: () => DhKeyPair;
}

/** The keys of one party. Which are needed follows from the pattern; absent ones are refused at creation. */
export interface HandshakeKeys {
  readonly protocolName: string;
  readonly staticKey?: DhKeyPair;
  readonly remoteStatic?: Uint8Array;
  /** 32 bytes each, in the order of the psk tokens. */
  readonly psks?: readonly Uint8Array[];
}

export interface HandshakeConfig extends HandshakeKeys {
  /** In a fallback protocol Bob is the initiator. */
  readonly role: "initiator" | "responder";
  readonly prologue: Uint8Array;
  /** Only as a pre-message, that is for Alice in a fallback: the key pair of her first message. */
  readonly ephemeral?: DhKeyPair;
  /** Only as a pre-message, that is for Bob in a fallback. */
  readonly remoteEphemeral?: Uint8Array;
}

export interface HandshakeResult {
  /** Absent for the recipient of a one-way pattern. */
  readonly send: CipherState | undefined;
  /** Absent for the sender of a one-way pattern. */
  readonly receive: CipherState | undefined;
  readonly handshakeHash: Uint8Array;
  readonly remoteStatic: Uint8Array | undefined;
}

export type HandshakeTurn = "write" | "read" | "done" | "dead";

/** Section 5.3. Any failure while reading or writing tokens leaves the handshake dead and its secrets wiped. */
export interface HandshakeState {
  readonly turn: () => HandshakeTurn;
  /** What the next message adds to its payload, and whether that payload is encrypted; zero and false when done. */
  readonly nextMessage: () => { readonly overheadBytes: number; readonly payloadIsEncrypted: boolean };
  readonly writeMessage: (payload: Uint8Array) => Result<Uint8Array, NoiseError>;
  readonly readMessage: (message: Uint8Array) => Result<Uint8Array, NoiseError>;
  /** The transport ciphers, once `turn()` is `done`; they are handed out only once. */
  readonly finish: () => Result<HandshakeResult, NoiseError>;
  /** Own ephemeral key pair, kept for a fallback. */
  readonly ephemeral: () => DhKeyPair | undefined;
  readonly wipe: () => void;
}

interface Keys {
  s: DhKeyPair | undefined;
  e: DhKeyPair | undefined;
  rs: Uint8Array | undefined;
  re: Uint8Array | undefined;
}

const fail = (
  type: "OutOfTurn" | "Dead" | "MessageTooLong" | "MessageTooShort" | "InvalidPublicKey",
): Result<never, NoiseError> => err({ type });

/** The first key that `pattern` demands beforehand or of which this party must send the public half, and that is absent or misshapen. */
const keyFault = (
  pattern: HandshakePattern,
  self: Party,
  keys: Keys,
  psks: readonly Uint8Array[],
): NoiseError | undefined => {
  const own = self === "alice" ? pattern.alicePreMessage : pattern.bobPreMessage;
  const other = self === "alice" ? pattern.bobPreMessage : pattern.alicePreMessage;
  const sendsStatic = pattern.messages.some((message) => message.from === self && message.tokens.includes("s"));
  if ((own.includes("s") || sendsStatic) && keys.s === undefined) return { type: "MissingKey", key: "s" };
  if (own.includes("e") && keys.e === undefined) return { type: "MissingKey", key: "e" };
  if (other.includes("s") && keys.rs === undefined) return { type: "MissingKey", key: "rs" };
  if (other.includes("e") && keys.re === undefined) return { type: "MissingKey", key: "re" };
  if (keys.rs !== undefined && keys.rs.length !== keyBytes) return { type: "BadKeyLength", key: "rs" };
  const pskCount = pattern.messages.reduce(
    (sum, { tokens }) => sum + tokens.filter((token) => token === "psk").length,
    0,
  );
  if (psks.length !== pskCount) return { type: "MissingKey", key: "psk" };
  if (psks.some((psk) => psk.length !== keyBytes)) return { type: "BadKeyLength", key: "psk" };
  return undefined;
};

const mixPreMessages = (
  symmetric: SymmetricState,
  pattern: HandshakePattern,
  publicKeyOf: (party: Party, token: Token) => Uint8Array,
): void => {
  const mix = (party: Party, tokens: readonly Token[]): void => {
    for (const token of tokens) {
      const publicKey = publicKeyOf(party, token);
      symmetric.mixHash(publicKey);
      if (token === "e" && pattern.usesPsk) symmetric.mixKey(publicKey);
    }
  };
  const parties = [
    ["alice", pattern.alicePreMessage],
    ["bob", pattern.bobPreMessage],
  ] as const;
  for (const [party, tokens] of pattern.isFallback ? parties.toReversed() : parties) mix(party, tokens);
};

/** Starts a handshake; refuses bad names, insecure patterns and missing or misshapen keys. */
export const createHandshake = (deps: HandshakeDeps, config: HandshakeConfig): Result<HandshakeState, NoiseError> => {
  const { crypto } = deps;
  const parsed = parseProtocolName(config.protocolName);
  if (!parsed.ok) return parsed;
  const built = buildPattern(parsed.value.base, parsed.value.modifiers);
  if (!built.ok) return built;
  const pattern = built.value;
  const isInitiator = config.role === "initiator";
  const self: Party = isInitiator === pattern.isFallback ? "bob" : "alice";
  const knowsRemote = (self === "alice" ? pattern.bobPreMessage : pattern.alicePreMessage).includes("s");
  const keys: Keys = {
    s: config.staticKey,
    e: pattern.isFallback && self === "alice" ? config.ephemeral : undefined,
    rs: knowsRemote ? config.remoteStatic : undefined,
    re: pattern.isFallback && self === "bob" ? config.remoteEphemeral : undefined,
  };
  const psks = config.psks ?? [];
  const fault = keyFault(pattern, self, keys, psks);
  if (fault !== undefined) return err(fault);

  const symmetric = createSymmetricState(crypto, parsed.value);
  symmetric.mixHash(config.prologue);
  mixPreMessages(symmetric, pattern, (party, token) => {
    if (party === self) return (token === "e" ? keys.e : keys.s)?.publicKey as Uint8Array;
    return (token === "e" ? keys.re : keys.rs) as Uint8Array;
  });

  let at = 0;
  let nextPsk = 0;
  let isDead = false;
  let isFinished = false;

  const turn = (): HandshakeTurn => {
    if (isDead) return "dead";
    const message = pattern.messages[at];
    if (message === undefined) return "done";
    return message.from === self ? "write" : "read";
  };
  const wipeSecrets = (): void => {
    isDead = true;
    symmetric.wipe();
    if (keys.e !== undefined) wipe(keys.e.privateKey);
  };
  const died = <T>(result: Result<T, NoiseError>): Result<T, NoiseError> => {
    wipeSecrets();
    return result;
  };

  const mixDh = (pair: DhKeyPair | undefined, publicKey: Uint8Array | undefined): NoiseError | undefined => {
    if (pair === undefined) return { type: "MissingKey", key: "s" };
    if (publicKey === undefined) return { type: "MissingKey", key: "rs" };
    const shared = crypto.dh(pair, publicKey);
    if (shared === undefined) return { type: "InvalidPublicKey" };
    symmetric.mixKey(shared);
    wipe(shared);
    return undefined;
  };
  /** The tokens that mix keys and move no bytes; the first letter is Alice's key. */
  const mixToken = (token: "ee" | "es" | "se" | "ss" | "psk"): NoiseError | undefined => {
    switch (token) {
      case "ee":
        return mixDh(keys.e, keys.re);
      case "ss":
        return mixDh(keys.s, keys.rs);
      case "es":
        return self === "alice" ? mixDh(keys.e, keys.rs) : mixDh(keys.s, keys.re);
      case "se":
        return self === "alice" ? mixDh(keys.s, keys.re) : mixDh(keys.e, keys.rs);
      case "psk":
        symmetric.mixKeyAndHash(psks[nextPsk++] as Uint8Array);
        return undefined;
    }
  };
  const mixEphemeral = (publicKey: Uint8Array): void => {
    symmetric.mixHash(publicKey);
    if (pattern.usesPsk) symmetric.mixKey(publicKey);
  };

  const nextMessage: HandshakeState["nextMessage"] = () => {
    const message = pattern.messages[at];
    if (message === undefined) return { overheadBytes: 0, payloadIsEncrypted: false };
    let hasKey = symmetric.hasKey();
    let overheadBytes = message.payloadIsEncrypted ? tagBytes : 0;
    for (const token of message.tokens) {
      if (token === "e") {
        overheadBytes += keyBytes;
        hasKey ||= pattern.usesPsk;
      } else if (token === "s") overheadBytes += hasKey ? keyBytes + tagBytes : keyBytes;
      else hasKey = true;
    }
    return { overheadBytes, payloadIsEncrypted: message.payloadIsEncrypted };
  };

  const writeMessage = (payload: Uint8Array): Result<Uint8Array, NoiseError> => {
    const message = pattern.messages[at];
    if (isDead) return fail("Dead");
    if (message === undefined || message.from !== self) return fail("OutOfTurn");
    if (nextMessage().overheadBytes + payload.length > maxNoiseMessageBytes) return fail("MessageTooLong");
    const parts: Uint8Array[] = [];
    for (const token of message.tokens) {
      if (token === "e") {
        keys.e = deps.generateKeyPair();
        parts.push(keys.e.publicKey);
        mixEphemeral(keys.e.publicKey);
      } else if (token === "s") {
        const encrypted = symmetric.encryptAndHash((keys.s as DhKeyPair).publicKey);
        if (!encrypted.ok) return died(encrypted);
        parts.push(encrypted.value);
      } else {
        const mixFault = mixToken(token);
        if (mixFault !== undefined) return died(err(mixFault));
      }
    }
    const encrypted = symmetric.encryptAndHash(payload);
    if (!encrypted.ok) return died(encrypted);
    parts.push(encrypted.value);
    at += 1;
    return ok(concatBytes(...parts));
  };

  const readMessage = (message: Uint8Array): Result<Uint8Array, NoiseError> => {
    const expected = pattern.messages[at];
    if (isDead) return fail("Dead");
    if (expected === undefined || expected.from === self) return fail("OutOfTurn");
    if (message.length > maxNoiseMessageBytes) return died(fail("MessageTooLong"));
    if (message.length < nextMessage().overheadBytes) return died(fail("MessageTooShort"));
    let offset = 0;
    for (const token of expected.tokens) {
      if (token === "e") {
        keys.re = message.slice(offset, offset + keyBytes);
        offset += keyBytes;
        mixEphemeral(keys.re);
      } else if (token === "s") {
        const length = symmetric.hasKey() ? keyBytes + tagBytes : keyBytes;
        const decrypted = symmetric.decryptAndHash(message.subarray(offset, offset + length));
        if (!decrypted.ok) return died(decrypted);
        keys.rs = decrypted.value.slice();
        offset += length;
      } else {
        const mixFault = mixToken(token);
        if (mixFault !== undefined) return died(err(mixFault));
      }
    }
    const payload = symmetric.decryptAndHash(message.subarray(offset));
    if (!payload.ok) return died(payload);
    at += 1;
    return payload;
  };

  const finish = (): Result<HandshakeResult, NoiseError> => {
    if (isDead) return fail("Dead");
    if (turn() !== "done" || isFinished) return fail("OutOfTurn");
    isFinished = true;
    const [toResponder, toInitiator] = symmetric.split();
    const send = isInitiator ? toResponder : toInitiator;
    const receive = isInitiator ? toInitiator : toResponder;
    const handshakeHash = symmetric.handshakeHash();
    wipeSecrets();
    if (pattern.isOneWay) toInitiator.wipe();
    return ok({
      send: pattern.isOneWay && !isInitiator ? undefined : send,
      receive: pattern.isOneWay && isInitiator ? undefined : receive,
      handshakeHash,
      remoteStatic: keys.rs,
    });
  };

  return ok({ turn, nextMessage, writeMessage, readMessage, finish, ephemeral: () => keys.e, wipe: wipeSecrets });
};
