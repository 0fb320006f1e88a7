import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, refined, text, tuple, uint } from "../codec/shape.ts";
import { cutUtf8 } from "../codec/utf8.ts";
import { hpkeOpen, hpkeSeal } from "../crypto/hpke.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { type CheckedItem, ITEM_KINDS, openItem, proxyCheck, sealItem } from "../entry/item.ts";
import { repositoryId } from "../entry/record.ts";
import { type Seal, sealsShape, sealsValue } from "../epoch/epoch-body.ts";
import {
  type ContactCard,
  deriveInboxTopic,
  identityOpsShape,
  type InboxKeys,
  readIdentityOps,
} from "../identity/contact-card.ts";
import { evaluateIdentity } from "../identity/identity-log.ts";
import { identityOpWire } from "../identity/identity-op.ts";
import { ascii, bytesEqual, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { ProxyHint } from "./invite-link.ts";
import type { Party } from "./messages.ts";

/** An epoch whose secret is sealed to the devices of the person invited. */
export interface SealedEpoch {
  readonly eid: Uint8Array;
  readonly commit: Uint8Array;
  readonly topicPk: Uint8Array;
  readonly seals: readonly Seal[];
}

/** What somebody needs who was made a member of a repository without having asked. */
export interface Invitation {
  readonly rid: Uint8Array;
  readonly genesis: { readonly header: Uint8Array; readonly sig: Uint8Array };
  /** All head epochs; older ones follow from their history. */
  readonly epochs: readonly SealedEpoch[];
  /** Topic of the combined heads, which readers cannot compute. */
  readonly topicPk: Uint8Array;
  readonly role: 1 | 2;
  readonly title: string;
  readonly proxies: readonly ProxyHint[];
  /** `host:port` under which a device of the sender may be reached. */
  readonly addresses: readonly string[];
}

/** A letter from a device that its identity certifies. */
export interface Letter {
  /** 16 bytes that name it. */
  readonly id: Uint8Array;
  readonly from: Party;
  readonly invitation: Invitation;
}

/** A letter as an item of the inbox its card names (SPEC LTR-1); `undefined` when the card's key is of low order or it gets too long. */
export const sealLetter = (
  crypto: CryptoProvider,
  random: RandomSource,
  device: SigningKey,
  from: Party,
  card: ContactCard,
  invitation: Invitation,
): CheckedItem | undefined => {
  const header = encodeCbor([
    1,
    random.bytes(16),
    card.idRoot,
    from.idRoot,
    from.devSig,
    from.identityOps.map(identityOpWire),
    cutUtf8(from.name, LONGEST_NAME),
    invitation.rid,
    [invitation.genesis.header, invitation.genesis.sig],
    invitation.epochs.map(({ eid, commit, topicPk, seals }) => [eid, commit, topicPk, sealsValue(seals)]),
    invitation.topicPk,
    invitation.role,
    cutUtf8(invitation.title, LONGEST_TITLE),
    invitation.proxies.map(({ proxyPk, address }) => [proxyPk, address]),
    invitation.addresses,
  ]);
  const { topicKey, readKey } = deriveInboxTopic(crypto, card.inboxSeed);
  const plaintext = encodeCbor([header, device.sign(concatBytes(DOMAIN, header))]);
  const sealed = hpkeSeal(
    crypto,
    card.inboxEnc,
    { info: DOMAIN, aad: topicKey.publicKey },
    plaintext,
    random.bytes(32),
  );
  if (sealed === undefined) return undefined;
  const spec = { kind: ITEM_KINDS.rendezvous, topicKey, gen: 0, salt: random.bytes(16) };
  const item = sealItem(crypto, spec, readKey, encodeCbor([1, sealed.enc, sealed.ct]));
  return item.ok ? item.value : undefined;
};

/** The letter in an item of the own inbox; `undefined` for anything else, which everybody who has the card may leave. */
export const openLetter = (
  crypto: CryptoProvider,
  inbox: InboxKeys,
  owner: Uint8Array,
  wire: Uint8Array,
): Letter | undefined => {
  const item = proxyCheck(crypto, wire);
  if (!item.ok || item.value.kind !== ITEM_KINDS.rendezvous) return undefined;
  const { topicKey, readKey } = deriveInboxTopic(crypto, inbox.seed);
  const outer = openItem(crypto, item.value, readKey);
  const envelope = outer.ok ? decodeShape(envelopeShape, outer.value) : undefined;
  if (envelope?.ok !== true) return undefined;
  const [, enc, ct] = envelope.value;
  const plaintext = hpkeOpen(crypto, inbox.encryption, { info: DOMAIN, aad: topicKey.publicKey }, { enc, ct });
  const signed = plaintext === undefined ? undefined : decodeShape(signedShape, plaintext);
  if (signed?.ok !== true) return undefined;
  const [header, sig] = signed.value;
  const read = decodeShape(headerShape, header);
  if (!read.ok || !bytesEqual(read.value.to, owner)) return undefined;
  const { id, idRoot, devSig, wires, name, invitation } = read.value;
  if (!bytesEqual(invitation.rid, repositoryId(crypto, invitation.genesis.header))) return undefined;
  const ops = readIdentityOps(crypto, idRoot, wires);
  if (!ops.ok || !crypto.verify(devSig, concatBytes(DOMAIN, header), sig)) return undefined;
  const device = evaluateIdentity(idRoot, ops.value).devices.get(bytesToHex(devSig));
  if (device === undefined || device.revoked) return undefined;
  return { id, from: { idRoot, devSig, identityOps: ops.value, name }, invitation };
};

const DOMAIN = ascii("p2pc/letter/1\0");
const LARGEST_CT = 60 * 1024;
const LARGEST_HEADER = 56 * 1024;
const LARGEST_GENESIS = 28 * 1024;
const LONGEST_NAME = 1024;
const LONGEST_TITLE = 1024;
const LONGEST_ADDRESS = 128;
const MAX_EPOCH_HEADS = 8;
const MAX_HINTS = 4;
const MAX_ADDRESSES = 8;
const hash = bytes(32);
const envelopeShape = tuple(literal(1), hash, bytesUpTo(LARGEST_CT));
const signedShape = tuple(bytesUpTo(LARGEST_HEADER), bytes(64));
const headerShape = mapped(
  tuple(
    literal(1),
    bytes(16),
    hash,
    hash,
    hash,
    identityOpsShape,
    text(LONGEST_NAME),
    bytes(16),
    tuple(bytesUpTo(LARGEST_GENESIS), bytes(64)),
    array(
      mapped(tuple(bytes(16), hash, hash, sealsShape), ([eid, commit, topicPk, seals]): SealedEpoch => ({
        eid,
        commit,
        topicPk,
        seals,
      })),
      MAX_EPOCH_HEADS,
      1,
    ),
    hash,
    mapped(
      refined(uint(2), "role is 1 or 2", (role) => role >= 1),
      (role) => role as 1 | 2,
    ),
    text(LONGEST_TITLE),
    array(
      mapped(tuple(hash, text(LONGEST_ADDRESS)), ([proxyPk, address]): ProxyHint => ({ proxyPk, address })),
      MAX_HINTS,
    ),
    array(text(LONGEST_ADDRESS), MAX_ADDRESSES),
  ),
  ([, id, to, idRoot, devSig, wires, name, rid, [header, sig], epochs, topicPk, role, title, proxies, addresses]) => ({
    id,
    to,
    idRoot,
    devSig,
    wires,
    name,
    invitation: { rid, genesis: { header, sig }, epochs, topicPk, role, title, proxies, addresses },
  }),
);
