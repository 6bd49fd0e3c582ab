"""The joint model: encoders per modality, a shared structure, one head per task."""
