import { ascii } from "../kernel/bytes.ts";

/** Every signed or hashed structure starts with one of these, so that no bytes mean two things. */
export const DOMAINS = {
  inner: ascii("p2pc/inner/1\0"),
  entry: ascii("p2pc/entry/1\0"),
  topic: ascii("p2pc/topic/1\0"),
  acl: ascii("p2pc/acl/1\0"),
  iop: ascii("p2pc/iop/1\0"),
  epoch: ascii("p2pc/epoch/1\0"),
  tid: ascii("p2pc/tid/1\0"),
  inv: ascii("p2pc/inv/1\0"),
  repo: ascii("p2pc/repo/1\0"),
  live: ascii("p2pc/live/1\0"),
} as const;
