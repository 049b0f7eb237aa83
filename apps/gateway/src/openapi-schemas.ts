import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { propertiesOf, type Dto, type DtoProperty } from './dto-rules.js';
import { ExecuteWorkflowDto, RepositoryDto, ValidationCommandDto, WorkflowOptionsDto } from './dto/execute-workflow.dto.js';
import { AgentNeedsDto, PlanDto, RetryPolicyDto, StepDto } from './dto/plan.dto.js';
import {
  ListEventsDto,
  ListWorkflowsDto,
  ParseRequirementDto,
  ReasonDto,
  ResolveEscalationDto,
  WorkflowIdDto,
} from './dto/requests.dto.js';

const DTOS: readonly Dto[] = [
  AgentNeedsDto,
  RetryPolicyDto,
  StepDto,
  PlanDto,
  RepositoryDto,
  ValidationCommandDto,
  WorkflowOptionsDto,
  ExecuteWorkflowDto,
  ReasonDto,
  ResolveEscalationDto,
  ParseRequirementDto,
  ListWorkflowsDto,
  ListEventsDto,
  WorkflowIdDto,
];

let described = false;

/** Describes the bodies and parameters to swagger by the very rules that validate them, so that the document cannot differ from the behaviour. */
export function describeDtos(): void {
  if (described) return;
  described = true;
  for (const dto of DTOS) {
    for (const property of propertiesOf(dto)) ApiProperty(optionsOf(property))(dto.prototype as object, property.name);
  }
}

function optionsOf({ required, shape }: DtoProperty): ApiPropertyOptions {
  switch (shape.kind) {
    case 'value':
      return { required, ...shape.keywords };
    case 'object':
      return { required, type: () => shape.dto };
    case 'list': {
      const { items, keywords } = shape;
      return typeof items === 'function'
        ? { required, type: () => items, isArray: true, ...keywords }
        : { required, type: 'array', items, ...keywords };
    }
  }
}
