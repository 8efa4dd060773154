"""What clients of before 4.0 ask for beyond our own names; nobody looks at User-Agent."""
