// Reads the timecode strip of the agent's test picture from RGBA pixels (a canvas's ImageData); the layout stands in
// intercom/agent/timecode.py. Returns {callHash, ms} or null. Plain function: tests put it into a page or run it in node.
function readTimecode(pixels, width) {
  const size = Math.floor(width / 40);
  if (size < 4) return null;
  const bits = [];
  for (let row = 0; row < 2; row += 1) {
    const blocks = [];
    for (let column = 0; column < 40; column += 1) {
      let sum = 0;
      let count = 0;
      for (let y = row * size + (size >> 2); y < (row + 1) * size - (size >> 2); y += 1) {
        for (let x = column * size + (size >> 2); x < (column + 1) * size - (size >> 2); x += 1) {
          const at = 4 * (y * width + x);
          sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
          count += 1;
        }
      }
      blocks.push(sum / count >= 128 ? 1 : 0);
    }
    if (blocks[0] !== 1 || blocks[1] !== 0 || blocks[38] !== 0 || blocks[39] !== 1) return null;
    bits.push(...blocks.slice(2, 38));
  }
  const bytes = [];
  for (let index = 0; index < 9; index += 1) bytes.push(parseInt(bits.slice(8 * index, 8 * index + 8).join(""), 2));
  let crc = 0;
  for (const byte of bytes.slice(0, 7)) {
    crc ^= byte << 8;
    for (let step = 0; step < 8; step += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  if (crc !== bytes[7] * 256 + bytes[8]) return null;
  // 40 bits fit a double, but not JavaScript's 32-bit operators.
  const ms = bytes.slice(2, 7).reduce((value, byte) => value * 256 + byte, 0);
  return { callHash: bytes[0] * 256 + bytes[1], ms };
}
