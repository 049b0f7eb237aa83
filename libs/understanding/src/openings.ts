const OPENING =
  /^(?:please|kindly|also|additionally|furthermore|moreover|in addition|and|first(?:ly)?|first of all|second(?:ly)?|third(?:ly)?|to start|now|so|but|ok(?:ay)?|well|just|simply|hi|hello|hey|(?:hi|hello|hey|dear) (?:there|team|all|everyone|folks|claude|friends?)|todo|task|feature(?: request)?|bug(?: report)?|requirement|story|issue|feat|fix|chore)\s*(?:[,:!]\s*|\s-\s|\s+)/i;

const WISH =
  /^(?:(?:can|could|would|will) (?:you|we|someone)(?: please)?|(?:we|i|you|they)(?: would|'d)?(?: also| really)? (?:need|want|like|have|ought|plan|intend|wish)(?: you)? to|i'd (?:like|love)(?: you)? to|let's|let us|(?:the|our|my|your) (?:goal|aim|task|idea|plan|objective|job)(?: here)? is to|it (?:would|should) be (?:nice|great|good|helpful|useful) to|(?:make|be) sure to|help (?:me|us)(?: to)?|you(?:'ll| will) (?:need|have) to|remember to|don't forget to|(?:we|i|you) (?:should|must|will|shall)|(?:we|i) are (?:going|looking|trying) to|there is a need to|it is (?:necessary|required|important) to)(?: also)?\s+/i;

/** Takes courtesies and wishes off the front: "Hi team, could you please add x" → "add x". */
export function stripOpening(text: string): string {
  let rest = text.trim();
  for (let i = 0; i < 6; i += 1) {
    const opening = OPENING.exec(rest);
    // "fix the bug", "task list": an opening word that is the request itself stays.
    const keeps =
      opening !== null &&
      /^(?:fix|task|bug|story|issue|feature|first|second|well|just|so)\b/i.test(rest) &&
      !/[:,]/.test(opening[0]) &&
      !/^(?:just|so|well|first)\b/i.test(rest);
    const next = opening === null || keeps ? rest : rest.slice(opening[0].length);
    const wished = next.replace(WISH, '');
    if (wished === rest) break;
    rest = wished;
  }
  return rest.trim();
}
