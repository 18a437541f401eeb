"""The continuous service: visits for many tenants in one process, each when it is due. A face: it holds no rule of the
pipeline and none of when what is due; it asks operations and a timetable."""
