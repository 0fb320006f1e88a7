import type { NegotiationRequest } from "../../protocol/noisesocket/negotiation.ts";

/** The application prologue of links between nodes; another one is named in the request. */
export const defaultApplication = "p2pcollab/1";

/** AES-GCM with SHA-256 is native everywhere; the others are for peers that lack it. In order of preference. */
const suites = [
  "25519_AESGCM_SHA256",
  "25519_ChaChaPoly_SHA256",
  "25519_ChaChaPoly_BLAKE2b",
  "25519_AESGCM_SHA512",
  "25519_AESGCM_BLAKE2b",
  "25519_AESGCM_BLAKE2s",
  "25519_ChaChaPoly_SHA512",
  "25519_ChaChaPoly_BLAKE2s",
] as const;

/** Patterns a listener answers: XX on first contact, XK from someone who knows its key. */
const patterns = ["XX", "XK"] as const;

export type LinkPattern = (typeof patterns)[number];

/** Protocol names of `pattern`, most preferred first. */
export const protocolNames = (pattern: LinkPattern): readonly string[] =>
  suites.map((suite) => `Noise_${pattern}_${suite}`);

const acceptable: ReadonlySet<string> = new Set(patterns.flatMap(protocolNames));

export type Choice =
  | { readonly type: "accept"; readonly protocolName: string; readonly application: string }
  | { readonly type: "retry"; readonly protocolName: string }
  | { readonly type: "reject" };

/** What a listener answers to a request, given the applications it serves. */
export const choose = (request: NegotiationRequest, applications: readonly string[]): Choice => {
  const application = request.application ?? defaultApplication;
  if (!applications.includes(application)) return { type: "reject" };
  if (acceptable.has(request.initialProtocol))
    return { type: "accept", protocolName: request.initialProtocol, application };
  const retry = request.retryProtocols.find((name) => acceptable.has(name));
  return retry === undefined ? { type: "reject" } : { type: "retry", protocolName: retry };
};
