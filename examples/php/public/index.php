<?php
// Called once per event, or again with the same id if it did not answer 2xx.
// The signature has been checked.
$id = $_SERVER['HTTP_WEBHOOK_ID'];
$type = $_SERVER['HTTP_WEBHOOK_EVENT_TYPE'] ?? '';
$event = json_decode(file_get_contents('php://input'), true);

error_log("$id: $type {$event['id']}");
http_response_code(204);
