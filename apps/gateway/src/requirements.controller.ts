import { Body, Controller, HttpCode, HttpStatus, Inject, Post, Req } from '@nestjs/common';
import type { StepView, WorkflowView } from '@taskmaster/contracts';
import type { FastifyRequest } from 'fastify';
import { ParseRequirementDto } from './dto/requests.dto.js';
import { Executions, waitSecondsOf } from './executions.js';
import { Problem } from './problem.js';
import { REQUEST_DEFAULTS } from './tokens.js';
import { workflowRequestOf, type RequestDefaults } from './workflow-request.js';

const WAIT_SECONDS_DEFAULT = 30;
const STEP_ID = 'parse';

/** Understanding a text without doing anything about it: a workflow of one step, so that it is retried, measured and recorded like all else. */
@Controller('api/requirements')
export class RequirementsController {
  constructor(
    @Inject(Executions) private readonly executions: Executions,
    @Inject(REQUEST_DEFAULTS) private readonly defaults: RequestDefaults,
  ) {}

  @Post('parse')
  @HttpCode(HttpStatus.OK)
  async parse(@Body() body: ParseRequirementDto, @Req() request: FastifyRequest): Promise<object> {
    const plan = {
      steps: [
        {
          id: STEP_ID,
          title: 'Understand the requirement',
          kind: 'requirements.parse' as const,
          input: { text: body.text, context: body.context ?? {} },
        },
      ],
    };
    const workflow = workflowRequestOf(
      { plan, profile: 'simple', title: 'Understand a requirement', context: body.context ?? {} },
      this.defaults,
    );
    const { accepted, finished } = await this.executions.start(workflow, request, waitSecondsOf(request) || WAIT_SECONDS_DEFAULT);
    const id = accepted.workflowId;
    if (finished === null)
      throw new Problem('requirement-not-parsed-in-time', `Workflow ${id} goes on; look at /api/workflows/${id}.`, {
        members: { workflowId: id },
      });
    return { workflowId: id, ...outputOf(finished) };
  }
}

function outputOf(workflow: WorkflowView): object {
  const step = workflow.steps.find((candidate: StepView) => (candidate.id as string) === STEP_ID);
  if (workflow.outcome !== 'completed' || step?.output === undefined) {
    throw new Problem('parsing-failed', step?.error?.message ?? workflow.reason ?? 'The step ended without a result.', {
      members: { workflowId: workflow.id },
    });
  }
  return step.output;
}
