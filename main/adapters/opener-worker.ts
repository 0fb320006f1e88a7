import { parentPort } from "node:worker_threads";
import type { OpenRequest } from "../../app/ports/item-opener.ts";
import type { OpenedWire } from "../../app/repositories/integrate.ts";
import { openWire } from "../../app/repositories/integrate.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createChangeInspector } from "./inspect-change.ts";
import { createNativeProvider } from "./native-crypto.ts";

/** Entry of the opener worker: verifies and decrypts pulled items off the main thread. */
const crypto = createNativeProvider(createNobleProvider());
const deps = { crypto, inspect: createChangeInspector(crypto) };

/** What is posted: the asker has the wire, of which the body is the end. */
export interface PostedWire extends OpenedWire {
  readonly bodyLength: number;
}

/** A copy without the bytes around it, since what is posted takes its whole buffer along. */
const withoutWire = ({ oid, candidate }: OpenedWire): PostedWire => {
  if (candidate === undefined) return { oid: oid.slice(), candidate, bodyLength: 0 };
  const { item, opened } = candidate;
  const { topicPk, salt, commitment, headerBytes, topicSig } = item;
  return {
    oid: oid.slice(),
    bodyLength: item.body.length,
    candidate: {
      item: {
        ...item,
        topicPk: topicPk.slice(),
        salt: salt.slice(),
        commitment: commitment.slice(),
        headerBytes: headerBytes.slice(),
        topicSig: topicSig.slice(),
        oid: item.oid.slice(),
        body: new Uint8Array(0),
        wire: new Uint8Array(0),
      },
      opened,
    },
  };
};

parentPort?.on("message", ({ id, request }: { readonly id: number; readonly request: OpenRequest }) => {
  const opened = request.wires.map((wire) => withoutWire(openWire(deps, request.topic, wire)));
  parentPort?.postMessage({ id, opened });
});
parentPort?.postMessage("ready");
