// What a network's ONNX file says of itself.

const KEY = "depthlib"; // of the metadata that say what a network sees
const METADATA = 14; // field of ModelProto in onnx.proto

/** What the network's file says it sees: `max_depth`, `focal`, `aspect`, `horizon`. */
export function readView(bytes) {
  for (const [field, value] of readFields(bytes)) {
    if (field !== METADATA) continue;
    const entry = new Map(readFields(value));
    const text = (number) => new TextDecoder().decode(entry.get(number));
    if (text(1) === KEY) return JSON.parse(text(2)).view;
  }
  throw new Error("the network's file does not say what it sees");
}

/** The fields of a protobuf message that have a length, as [number, bytes]. */
function* readFields(bytes) {
  let place = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (place >= bytes.length) throw new Error("the network's file is cut off");
      const byte = bytes[place++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (place < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) varint();
    else if ((tag & 7) === 2) {
      const length = varint();
      yield [Math.floor(tag / 8), bytes.subarray(place, place + length)];
      place += length;
    } else place += (tag & 7) === 1 ? 8 : 4;
  }
}
