/** Every limit of the wire, in one place. What happens at a limit: the thing is refused with a rejection that names it. */

/** Bytes of the data of one event; larger content is stored once by hash and referenced. */
export const EVENT_DATA_BYTES_MAX = 64 * 1024;
/** Bytes of the text of a requirement. */
export const REQUIREMENT_BYTES_MAX = 64 * 1024;
/** Bytes of a requirement that its event holds itself; a longer one is content, referenced by its hash. */
export const REQUIREMENT_INLINE_BYTES_MAX = 8 * 1024;
/** Characters of a longer requirement that its event repeats, for people. */
export const REQUIREMENT_EXCERPT_CHARS_MAX = 1_000;
/** Bytes of the input of one step. */
export const STEP_INPUT_BYTES_MAX = 16 * 1024;
/** Bytes of a plan that its request and one event hold; a longer one is adopted with its request, in parts. */
export const PLAN_PART_BYTES_MAX = 32 * 1024;
/** Steps of one plan. */
export const PLAN_STEPS_MAX = 2_000;
/** Dependencies of one step. */
export const STEP_DEPENDENCIES_MAX = 64;
/** How deep a child workflow may lie under the workflow that is nobody's child. */
export const WORKFLOW_DEPTH_MAX = 8;
/** Notices in one message. */
export const NOTICES_PER_MESSAGE_MAX = 16;
/** Bytes of one message on the broker: notices, command batches. */
export const MESSAGE_BYTES_MAX = 512 * 1024;
/** Commands in one request to state-service. */
export const COMMANDS_PER_REQUEST_MAX = 64;
/** Requests of one process that may be in flight to state-service; later commands travel together. */
export const COMMAND_REQUESTS_IN_FLIGHT_MAX = 4;
/** Attempts of one step, whatever a policy asks for. */
export const STEP_ATTEMPTS_MAX = 50;
/** Bytes of the output of one step that its event keeps. */
export const STEP_OUTPUT_BYTES_MAX = 16 * 1024;

/** Whether a text is of more bytes in UTF-8 than that. Counts only where its length leaves it open: a unit takes three bytes at most. */
export const exceedsBytes = (text: string, max: number): boolean => text.length > max || (text.length * 3 > max && utf8Bytes(text) > max);

/** Bytes of a text in UTF-8, without encoding it. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      bytes += 4;
      i += 1;
    } else bytes += 3;
  }
  return bytes;
}
