import type { CborValue } from "../codec/cbor.ts";
import type { Policy } from "./acl-op.ts";

/** What the members of a repository agreed upon; honest members keep to it. */
export interface RepositoryPolicy {
  /** Whether a link may let people in without anybody being asked. */
  readonly automaticInvites: boolean;
  /** Most bytes of attachments in the repository. */
  readonly attachmentBytes: number;
}

/** data.md section 13: 5 GiB. */
export const DEFAULT_POLICY: RepositoryPolicy = { automaticInvites: true, attachmentBytes: 5 * 1_073_741_824 };

/** Members of a policy behind the two of this version are kept as they are in `base`. */
export const encodePolicy = ({ automaticInvites, attachmentBytes }: RepositoryPolicy, base: Policy): Policy => [
  automaticInvites ? 0 : 1,
  attachmentBytes,
  ...base.slice(2),
];

/** Total: what is missing or of another form counts as the default (SPEC ACP-1). */
export const readPolicy = (policy: Policy): RepositoryPolicy => {
  const [invites, bytes] = policy;
  return {
    automaticInvites: invites === 1 ? false : DEFAULT_POLICY.automaticInvites,
    attachmentBytes: isByteCount(bytes) ? bytes : DEFAULT_POLICY.attachmentBytes,
  };
};

const isByteCount = (value: CborValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
