import { deflateSync } from "node:zlib";

const CRC = Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});
const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
};
const pngChunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
};

/** A PNG (RFC 2083) of a sky over water with a sun: something to look at. */
export const createPicture = (width: number, height: number): Uint8Array => {
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = y * (width * 3 + 1) + 1 + x * 3;
      const [u, v] = [x / width, y / height];
      const sun = (u - 0.7) ** 2 * (width / height) ** 2 + (v - 0.3) ** 2 < 0.012;
      const wave = v > 0.6 ? 18 * Math.sin(60 * v + 8 * u) : 0;
      const colour = sun
        ? [255, 236, 170]
        : v < 0.6
          ? [120 + 110 * v, 170 + 40 * v, 225 - 30 * v]
          : [40, 95 + wave, 120 + wave];
      for (const [channel, value] of colour.entries()) rows[at + channel] = Math.round(value);
    }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
      pngChunk("IHDR", header),
      pngChunk("IDAT", deflateSync(rows)),
      pngChunk("IEND", new Uint8Array(0)),
    ]),
  );
};

/** A WAV of a quiet tone of `seconds` seconds: 16 bits, mono, 22 050 Hz. */
export const createBeep = (seconds: number): Uint8Array => {
  const rate = 22_050;
  const samples = rate * seconds;
  const out = Buffer.alloc(44 + 2 * samples);
  out.write("RIFF", 0, "latin1");
  out.writeUInt32LE(36 + 2 * samples, 4);
  out.write("WAVEfmt ", 8, "latin1");
  out.writeUInt32LE(16, 16);
  out.writeUInt16LE(1, 20);
  out.writeUInt16LE(1, 22);
  out.writeUInt32LE(rate, 24);
  out.writeUInt32LE(2 * rate, 28);
  out.writeUInt16LE(2, 32);
  out.writeUInt16LE(16, 34);
  out.write("data", 36, "latin1");
  out.writeUInt32LE(2 * samples, 40);
  for (let n = 0; n < samples; n++)
    out.writeInt16LE(Math.round(2_000 * Math.sin((2 * Math.PI * 440 * n) / rate)), 44 + 2 * n);
  return new Uint8Array(out);
};

/** A PDF (ISO 32000-1) of one page with one line of text. */
export const createPdf = (line: string): Uint8Array => {
  const drawing = `BT /F1 36 Tf 60 700 Td (${line}) Tj ET`;
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  ];
  let out = "%PDF-1.4\n";
  const offsets = objects.map((object, index) => {
    const offset = out.length;
    out += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  const size = objects.length + 1;
  const tail = `trailer << /Size ${size} /Root 1 0 R >>\nstartxref\n${out.length}\n%%EOF\n`;
  return Buffer.from(`${out}xref\n0 ${size}\n0000000000 65535 f \n${table}${tail}`, "latin1");
};
