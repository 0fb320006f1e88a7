/** One line to the person who started the command; on stderr, so that stdout stays the command's own. */
export const say = (text) => {
  process.stderr.write(`p2pcollab: ${text}\n`);
};

/** Ends the command with a message that says what to do. */
export const stop = (text) => {
  say(text);
  process.exit(1);
};
