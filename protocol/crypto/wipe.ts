/** Overwrites secret bytes with zeros; best effort, since a JavaScript engine may have moved copies. */
export const wipe = (bytes: Uint8Array): void => {
  bytes.fill(0);
};
