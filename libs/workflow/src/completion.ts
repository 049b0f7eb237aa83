import {
  err,
  isJsonObject,
  ok,
  type InterpreterUse,
  type JsonObject,
  type PlanDraft,
  type RequirementItem,
  type RequirementMetadata,
  type Result,
  type WorkflowEvent,
} from '@taskmaster/contracts';
import { parsePlan } from './plan.js';
import { planAdopted } from './plan-parts.js';
import { ALREADY_THERE, isAlreadyThere } from './stages.js';
import { isStageStep, type Step } from './step.js';
import type { LiveWorkflow } from './state.js';

/** The facts that a stage step's output makes true besides its success; an error says why the output cannot be believed. */
export function factsOfOutput(w: LiveWorkflow, step: Step, output: JsonObject): Result<readonly WorkflowEvent[], string> {
  if (!isStageStep(step.spec.id)) return ok([]);
  switch (step.spec.kind) {
    case 'requirements.parse':
      return parsed(output);
    case 'requirements.decompose':
      return decomposed(output);
    case 'change.land':
      return landed(w, output);
    case 'change.validate':
      return validated(w, output);
    case 'change.merge':
      return merged(w, output);
    case 'change.discard':
      return ok(closedUnmerged(w, w.reason));
    default:
      return ok([]);
  }
}

function parsed(output: JsonObject): Result<readonly WorkflowEvent[], string> {
  const { items, metadata, use } = output;
  if (!Array.isArray(items) || items.length === 0 || !isJsonObject(metadata) || !isJsonObject(use))
    return err('it names no actionable items');
  const data = {
    items: items as unknown as RequirementItem[],
    metadata: metadata as unknown as RequirementMetadata,
    use: use as unknown as InterpreterUse,
  };
  return ok([{ type: 'RequirementsParsed', data }]);
}

function decomposed(output: JsonObject): Result<readonly WorkflowEvent[], string> {
  const draft = output['plan'];
  if (!isJsonObject(draft)) return err('it carries no plan');
  const plan = parsePlan(draft as unknown as PlanDraft);
  return plan.ok ? ok(planAdopted(plan.value, 'decomposed')) : err(`its plan is not valid: ${JSON.stringify(plan.error)}`);
}

const closedUnmerged = ({ pullRequest }: LiveWorkflow, reason: string): readonly WorkflowEvent[] =>
  pullRequest?.state === 'open' ? [{ type: 'PullRequestClosed', data: { number: pullRequest.number, reason } }] : [];

function landed(w: LiveWorkflow, output: JsonObject): Result<readonly WorkflowEvent[], string> {
  if (isAlreadyThere(output)) return ok(closedUnmerged(w, ALREADY_THERE));
  const { number, url, title, source, target, head } = output;
  if (typeof number !== 'number') return err('it names no pull request');
  const texts = [url, title, source, target, head];
  if (!texts.every((text) => typeof text === 'string')) return err('its pull request is incomplete');
  const pullRequest = {
    number,
    url: String(url),
    title: String(title),
    source: String(source),
    target: String(target),
    head: String(head),
  };
  const known = w.pullRequest !== null && w.pullRequest.number === number && w.pullRequest.head === head;
  return ok(known ? [] : [{ type: 'PullRequestOpened', data: pullRequest }]);
}

function validation(w: LiveWorkflow, output: JsonObject, passed: boolean): Result<WorkflowEvent, string> {
  const { commit, base, checks } = output;
  if (typeof commit !== 'string' || typeof base !== 'string' || !Array.isArray(checks)) return err('its validation is incomplete');
  return ok({ type: 'ValidationRecorded', data: { cycle: w.cycle, passed, commit, base, checks: checks } });
}

function validated(w: LiveWorkflow, output: JsonObject): Result<readonly WorkflowEvent[], string> {
  if (typeof output['passed'] !== 'boolean') return err('it does not say whether the validation passed');
  const fact = validation(w, output, output['passed']);
  return fact.ok ? ok([fact.value]) : fact;
}

/** A merge of a result that was validated again carries that validation; one of a result nobody validated is not believed (I12). */
function merged(w: LiveWorkflow, output: JsonObject): Result<readonly WorkflowEvent[], string> {
  const again = output['checks'] === undefined ? undefined : validation(w, output, output['merged'] === true);
  if (again !== undefined && !again.ok) return again;
  const facts: WorkflowEvent[] = again === undefined ? [] : [again.value];
  if (output['merged'] !== true) return facts.length === 0 ? err('it neither merged nor says why') : ok(facts);
  const merge = provenMerge(w, output, facts.length > 0);
  return merge.ok ? ok([...facts, merge.value]) : merge;
}

function provenMerge(w: LiveWorkflow, output: JsonObject, validatedAgain: boolean): Result<WorkflowEvent, string> {
  const { commit, target } = output;
  if (typeof commit !== 'string' || typeof target !== 'string' || w.pullRequest === null) return err('its merge is incomplete');
  const proven = validatedAgain || w.validations.some((v) => v.passed && v.commit === commit);
  if (!proven) return err('the merged commit was never validated');
  return ok({ type: 'PullRequestMerged', data: { number: w.pullRequest.number, commit, target } });
}
