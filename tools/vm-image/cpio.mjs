const TYPE = { folder: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 };

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

const record = (n, name, { type, mode = 0, content = Buffer.alloc(0), major = 0, minor = 0 }, mtime) => {
  const nameBytes = Buffer.from(`${name}\0`);
  const fields = [
    n,
    (TYPE[type] ?? 0) | mode,
    0,
    0,
    type === "folder" ? 2 : 1,
    mtime,
    content.length,
    0,
    0,
    major,
    minor,
    nameBytes.length,
    0,
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), nameBytes])), padded(content)]);
};

/**
 * A cpio archive of the form the kernel unpacks (newc), a function of its entries only: sorted by name, numbered in that order, owned by
 * root, all of one time. `entries`: name without leading slash to `{ type, mode, content, major, minor }`.
 */
export const writeCpio = (entries, mtime) => {
  const names = [...entries.keys()].sort((a, b) => (a < b ? -1 : 1));
  const records = names.map((name, i) => record(i + 1, name, entries.get(name), mtime));
  return Buffer.concat([...records, record(0, "TRAILER!!!", {}, 0)]);
};
