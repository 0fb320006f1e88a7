import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Another implementation of Noise as one end of a handshake. */
export interface NoisePeer {
  readonly write: (payload: Uint8Array) => Uint8Array;
  readonly read: (message: Uint8Array) => Uint8Array;
  readonly finish: () => {
    readonly handshakeHash: Uint8Array;
    readonly encrypt: (plaintext: Uint8Array) => Uint8Array;
    readonly decrypt: (ciphertext: Uint8Array) => Uint8Array;
  };
}

export interface PeerConfig {
  readonly protocolName: string;
  readonly isInitiator: boolean;
  readonly prologue: Uint8Array;
  readonly staticPrivate: Uint8Array;
  readonly staticPublic: Uint8Array;
  /** Given to every pattern; those that need it use it. */
  readonly remoteStatic: Uint8Array;
  readonly psk?: Uint8Array;
}

const require = createRequire(import.meta.url);

interface WasmCipherState {
  readonly EncryptWithAd: (ad: Uint8Array, plaintext: Uint8Array) => Uint8Array;
  readonly DecryptWithAd: (ad: Uint8Array, ciphertext: Uint8Array) => Uint8Array;
}
interface WasmHandshakeState {
  readonly Initialize: (prologue: Uint8Array, s: Uint8Array, rs: Uint8Array | null, psk: Uint8Array | null) => void;
  readonly WriteMessage: (payload: Uint8Array) => Uint8Array;
  readonly ReadMessage: (message: Uint8Array, payloadNeeded: boolean, fallbackSupported: boolean) => Uint8Array;
  readonly FallbackTo: () => void;
  readonly Split: () => readonly [WasmCipherState, WasmCipherState];
  readonly GetHandshakeHash: () => Uint8Array;
}
interface WasmLibrary {
  readonly constants: { readonly NOISE_ROLE_INITIATOR: number; readonly NOISE_ROLE_RESPONDER: number };
  readonly HandshakeState: (name: string, role: number) => WasmHandshakeState;
}

const none = new Uint8Array(0);

/** rweather/noise-c compiled to WebAssembly. Given its code, it does not try to fetch it and print that this failed. */
export const loadNoiseC = async () => {
  const create = require("noise-c.wasm") as (options: object, ready: (library: WasmLibrary) => void) => void;
  const wasmBinary = readFileSync(require.resolve("noise-c.wasm/src/noise-c.wasm"));
  const { constants, HandshakeState } = await new Promise<WasmLibrary>((resolve) => create({ wasmBinary }, resolve));

  const peerOf = (state: WasmHandshakeState): NoisePeer => ({
    write: (payload) => state.WriteMessage(payload),
    read: (message) => state.ReadMessage(message, true, false),
    finish: () => {
      const handshakeHash = state.GetHandshakeHash();
      const [send, receive] = state.Split();
      return {
        handshakeHash,
        encrypt: (plaintext) => send.EncryptWithAd(none, plaintext),
        decrypt: (ciphertext) => receive.DecryptWithAd(none, ciphertext),
      };
    },
  });
  const newState = (config: PeerConfig): WasmHandshakeState => {
    const state = HandshakeState(
      config.protocolName,
      config.isInitiator ? constants.NOISE_ROLE_INITIATOR : constants.NOISE_ROLE_RESPONDER,
    );
    state.Initialize(config.prologue, config.staticPrivate, config.remoteStatic, config.psk ?? null);
    return state;
  };
  return {
    connect: (config: PeerConfig): NoisePeer => peerOf(newState(config)),
    /** Bob, who cannot read Alice's IK message and falls back to XX. */
    fallBack: (config: PeerConfig, message: Uint8Array, staticPrivate: Uint8Array): NoisePeer => {
      const state = newState(config);
      let wasRead = true;
      try {
        state.ReadMessage(message, true, true);
      } catch {
        wasRead = false;
      }
      if (wasRead) throw new Error("Bob read a message meant for another key");
      state.FallbackTo();
      state.Initialize(config.prologue, staticPrivate, null, null);
      return peerOf(state);
    },
  };
};

interface HolepunchState {
  readonly initialise: (prologue: Uint8Array, remoteStatic: Uint8Array) => void;
  readonly send: (payload: Uint8Array) => Uint8Array;
  readonly recv: (message: Uint8Array) => Uint8Array;
  readonly tx: Uint8Array;
  readonly rx: Uint8Array;
  readonly hash: Uint8Array;
}
interface HolepunchCipher {
  readonly encrypt: (plaintext: Uint8Array) => Uint8Array;
  readonly decrypt: (ciphertext: Uint8Array) => Uint8Array;
}

/** Holepunch's noise-handshake on libsodium; only `25519_ChaChaPoly_BLAKE2b`. It wants Buffers. */
export const createHolepunchPeer = (config: PeerConfig): NoisePeer => {
  const State = require("noise-handshake") as new (
    pattern: string,
    initiator: boolean,
    keys: { readonly publicKey: Buffer; readonly secretKey: Buffer },
    options: { readonly psk?: Buffer },
  ) => HolepunchState;
  const Cipher = require("noise-handshake/cipher") as new (key: Uint8Array) => HolepunchCipher;
  const pattern = config.protocolName.split("_")[1] as string;
  const state = new State(
    pattern,
    config.isInitiator,
    { publicKey: Buffer.from(config.staticPublic), secretKey: Buffer.from(config.staticPrivate) },
    config.psk === undefined ? {} : { psk: Buffer.from(config.psk) },
  );
  state.initialise(Buffer.from(config.prologue), Buffer.from(config.remoteStatic));
  return {
    write: (payload) => state.send(Buffer.from(payload)),
    read: (message) => state.recv(Buffer.from(message)),
    finish: () => {
      const [send, receive] = [new Cipher(state.tx), new Cipher(state.rx)];
      return {
        handshakeHash: state.hash,
        encrypt: (plaintext) => send.encrypt(Buffer.from(plaintext)),
        decrypt: (ciphertext) => receive.decrypt(Buffer.from(ciphertext)),
      };
    },
  };
};
