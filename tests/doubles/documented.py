"""What "Optimization Module" hands to its optimizers, as it has it."""

from __future__ import annotations

from argotune import AdvancedOptimizerConfig

CONFIG = AdvancedOptimizerConfig(
    optimizer_strategy="adaptive",
    learning_rate=0.001,
    batch_size=32,
    experience_replay_size=1000,
    min_experiences_for_training=50,
    exploration_epsilon=0.1,
    epsilon_decay=0.995,
    search_quality_weight=0.4,
    agent_success_weight=0.3,
    user_satisfaction_weight=0.3,
    processing_time_penalty=0.1,
)

MARIE = {
    "query": "Show me videos where Marie Curie discusses radioactivity",
    "entities": [{"text": "Marie Curie", "label": "person"}],
    "relationships": [{"head": "Marie Curie", "relation": "discusses", "tail": "radioactivity"}],
    "enhanced_query": "Show me videos where Marie Curie discusses radioactivity in physics lectures",
    "chosen_agent": "video_search_agent",
    "routing_confidence": 0.85,
    "search_quality": 0.92,
    "agent_success": True,
    "user_satisfaction": 0.95,
    "processing_time": 1.2,
}
"""A decision that earns 0.923."""

INTERVALS = {"span_eval_interval_minutes": 15, "annotation_interval_minutes": 30, "feedback_interval_minutes": 15}
PRODUCTION = {
    "tenant_id": "production",
    **INTERVALS,
    "confidence_threshold": 0.6,
    "min_annotations_for_optimization": 50,
    "optimization_improvement_threshold": 0.05,
}
"""Of an orchestrator."""
