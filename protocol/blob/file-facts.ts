import { utf8Length } from "../codec/utf8.ts";

/** Largest file (data formats, section 13). */
export const MAX_FILE_BYTES = 1_073_741_824;
/** Longest file name of common file systems, in UTF-8. */
export const MAX_NAME_BYTES = 255;
/** Each half of a media type has at most 127 characters (RFC 6838 section 4.2). */
export const MAX_MIME_BYTES = 255;

/** Whether `name` can be a file's name everywhere a manifest travels: not empty, no path, no control character. */
export const isFileName = (name: string): boolean =>
  name !== "" &&
  name !== "." &&
  name !== ".." &&
  name.isWellFormed() &&
  utf8Length(name) <= MAX_NAME_BYTES &&
  !FORBIDDEN_IN_NAMES.test(name);

export const isMediaType = (mime: string): boolean => mime.length <= MAX_MIME_BYTES && MEDIA_TYPE.test(mime);

// eslint-disable-next-line no-control-regex
const FORBIDDEN_IN_NAMES = /[/\\\u0000-\u001f\u007f]/;

/** type "/" subtype (RFC 6838 section 4.2), lower case, without parameters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;
