import type { AeadName, CryptoProvider, HashName } from "../crypto/provider.ts";
import { wipe } from "../crypto/wipe.ts";
import { ascii } from "../kernel/bytes.ts";
import { ok, type Result } from "../kernel/result.ts";
import { type CipherState, createCipherState } from "./cipher-state.ts";
import type { NoiseError } from "./errors.ts";
import type { ProtocolName } from "./protocol-name.ts";

/** Section 5.2: chaining key, handshake hash and the handshake's cipher. */
export interface SymmetricState {
  readonly hasKey: () => boolean;
  readonly mixHash: (data: Uint8Array) => void;
  readonly mixKey: (input: Uint8Array) => void;
  readonly mixKeyAndHash: (input: Uint8Array) => void;
  readonly encryptAndHash: (plaintext: Uint8Array) => Result<Uint8Array, NoiseError>;
  readonly decryptAndHash: (ciphertext: Uint8Array) => Result<Uint8Array, NoiseError>;
  /** The ciphers initiator to responder and back; wipes this state but for the hash. */
  readonly split: () => readonly [CipherState, CipherState];
  readonly handshakeHash: () => Uint8Array;
  readonly wipe: () => void;
}

const hashBytes: Readonly<Record<HashName, number>> = { SHA256: 32, BLAKE2s: 32, SHA512: 64, BLAKE2b: 64 };
const empty = new Uint8Array(0);
const one = Uint8Array.of(1);
const two = Uint8Array.of(2);
const three = Uint8Array.of(3);

const nameHash = (crypto: CryptoProvider, protocol: ProtocolName): Uint8Array => {
  const name = ascii(protocol.name);
  const length = hashBytes[protocol.hash];
  if (name.length > length) return crypto.hash(protocol.hash, name);
  const padded = new Uint8Array(length);
  padded.set(name);
  return padded;
};

export const createSymmetricState = (crypto: CryptoProvider, protocol: ProtocolName): SymmetricState => {
  const { hash } = protocol;
  const cipher: AeadName = protocol.cipher;
  let h = nameHash(crypto, protocol);
  let ck: Uint8Array = h.slice();
  const cipherState = createCipherState(crypto, cipher);

  const mixHash = (data: Uint8Array): void => {
    h = crypto.hash(hash, h, data);
  };
  /** Section 4.3; the third output is only made when asked for. */
  const hkdf = (input: Uint8Array, outputs: 2 | 3): readonly [Uint8Array, Uint8Array, Uint8Array] => {
    const temp = crypto.hmac(hash, ck, input);
    const first = crypto.hmac(hash, temp, one);
    const second = crypto.hmac(hash, temp, first, two);
    const third = outputs === 3 ? crypto.hmac(hash, temp, second, three) : empty;
    wipe(temp);
    wipe(ck);
    return [first, second, third];
  };
  return {
    hasKey: cipherState.hasKey,
    mixHash,
    mixKey: (input) => {
      const [next, key] = hkdf(input, 2);
      ck = next;
      cipherState.initializeKey(key.subarray(0, 32));
      wipe(key);
    },
    mixKeyAndHash: (input) => {
      const [next, toHash, key] = hkdf(input, 3);
      ck = next;
      mixHash(toHash);
      cipherState.initializeKey(key.subarray(0, 32));
      wipe(key);
    },
    encryptAndHash: (plaintext) => {
      const encrypted = cipherState.encrypt(h, plaintext);
      if (encrypted.ok) mixHash(encrypted.value);
      return encrypted;
    },
    decryptAndHash: (ciphertext) => {
      const decrypted = cipherState.decrypt(h, ciphertext);
      if (!decrypted.ok) return decrypted;
      mixHash(ciphertext);
      return ok(decrypted.value);
    },
    split: () => {
      const [first, second] = hkdf(empty, 2);
      const initiatorToResponder = createCipherState(crypto, cipher);
      const responderToInitiator = createCipherState(crypto, cipher);
      initiatorToResponder.initializeKey(first.subarray(0, 32));
      responderToInitiator.initializeKey(second.subarray(0, 32));
      wipe(first);
      wipe(second);
      cipherState.wipe();
      return [initiatorToResponder, responderToInitiator];
    },
    handshakeHash: () => h.slice(),
    wipe: () => {
      wipe(ck);
      cipherState.wipe();
    },
  };
};
